"""/api/auth/…, /api/me and /api/keys."""

from allauth.headless.constants import Client
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from smartspec.users import views

urlpatterns = [
    path("auth/web-session", views.WebSessionView.as_view()),
    # allauth would ask the adapter for telephone numbers, which this product does not know.
    re_path(r"^auth/app/v1/(?:account/phone|auth/phone/.*)$", views.no_such_address),
    path("auth/app/v1/account/email", views.EmailView.as_api_view(client=Client.APP)),
    # allauth would make its document anew at every call: it is part of ours.
    re_path(r"^auth/openapi\.\w+$", RedirectView.as_view(pattern_name="schema")),
    path("auth/", include("allauth.headless.urls")),
    path("me", views.MeView.as_view()),
    path("me/export", views.ExportView.as_view()),
    path("keys", views.KeysView.as_view()),
    path("keys/<uuid:key_id>", views.KeyView.as_view()),
]
