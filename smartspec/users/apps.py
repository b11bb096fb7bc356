from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "smartspec.users"
    label = "users"
