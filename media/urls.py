"""/api/media/…"""

from django.urls import path

from media import views

urlpatterns = [
    path("assets", views.AssetsView.as_view()),
    path("assets/<str:asset_id>", views.AssetView.as_view()),
    path("assets/<str:asset_id>/complete", views.CompletionView.as_view()),
    path("usage", views.UsageView.as_view()),
]
