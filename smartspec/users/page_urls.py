"""Pages of people. Log-in, sign-up and devices are allauth's, under /accounts/."""

from django.urls import path

from smartspec.users import pages

urlpatterns = [
    path("accounts/sessions/", pages.DevicesPage.as_view(), name="usersessions_list"),
    path("account/open/<str:token>", pages.open_web_session, name="open_web_session"),
    path("account/viewing/end", pages.end_viewing, name="account-viewing-end"),
    path("account/language", pages.choose_language, name="account-language"),
    path("account/verify/<str:token>", pages.verify_address, name="verify_address"),
]
