from django.apps import AppConfig


class WatchingConfig(AppConfig):
    name = "smartspec.watching"
    label = "watching"
