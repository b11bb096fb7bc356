"""The pages of the back-office beside the admin's lists, under /admin/."""

from django.contrib import admin
from django.urls import path

from smartspec.backoffice import pages

app_name = "backoffice"
view = admin.site.admin_view
urlpatterns = [
    path("people/", view(pages.find_anyone), name="find"),
    path("people/<uuid:user_id>/", view(pages.person), name="person"),
    path("people/<uuid:user_id>/<slug:name>/", view(pages.act), name="action"),
]
