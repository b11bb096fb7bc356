"""Everything under `/sandbox/stripe/`; installed only where the sandbox is."""

from django.urls import include, path

from billing.sandbox import views

urlpatterns = [
    path("v1/<path:path>", views.api, name="stripe_sandbox_api"),
    path("", include("billing.sandbox.pages.urls")),
]
