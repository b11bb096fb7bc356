"""Everything under `/sandbox/r2`; installed only where the stand-in is."""

from django.urls import re_path

from media.sandbox import views

urlpatterns = [re_path(r"^(?P<path>(?:/[\s\S]*)?)$", views.s3, name="r2_sandbox")]
