"""The product's addresses, and dj-stripe's."""

from django.urls import include, path

urlpatterns = [
    path("bench/stripe/", include("djstripe.urls", namespace="djstripe")),
    path("", include("smartspec.urls")),
]
