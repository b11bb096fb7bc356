"""Everything under `/sandbox/stripe/`; installed only where the sandbox is."""

from django.urls import include, path, re_path

from billing.sandbox import views

urlpatterns = [
    re_path(r"^(?P<path>v[12]/.+)$", views.api, name="stripe_sandbox_api"),
    path("", include("billing.sandbox.pages.urls")),
]
