"""Media: the files that generations leave behind, on Cloudflare R2."""

from django.apps import AppConfig


class MediaConfig(AppConfig):
    name = "media"

    def ready(self) -> None:
        from media import checks  # noqa: F401  (checks register themselves)
