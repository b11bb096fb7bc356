"""System checks: what is wrong with the storage settings, without calling R2."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

NEEDED = (
    "CLOUDFLARE_R2_ACCESS_KEY_ID",
    "CLOUDFLARE_R2_SECRET_ACCESS_KEY",
    "CLOUDFLARE_R2_BUCKET_NAME",
    "CLOUDFLARE_R2_ENDPOINT",
)


@register(Tags.security, deploy=False)
def check_storage_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """All of the bucket's variables are given, or none and this is not production: then the stand-in serves."""
    if settings.R2_SANDBOX:
        return []
    messages: list[CheckMessage] = []
    missing = [name for name in NEEDED if not getattr(settings, name)]
    if missing:
        messages.append(
            Error(
                f"{', '.join(missing)} not set: generated media cannot be stored.",
                hint="Create an R2 bucket and an API token for it (Object Read & Write), and set all four."
                + ("" if settings.PRODUCTION else " With none of them set, this server's own stand-in is used."),
                id="media.E001",
            )
        )
    if settings.PRODUCTION and settings.CLOUDFLARE_R2_ENDPOINT.startswith("http://"):
        messages.append(Error("CLOUDFLARE_R2_ENDPOINT must be https in production.", id="media.E002"))
    if settings.CLOUDFLARE_R2_PUBLIC_URL.startswith(settings.CLOUDFLARE_R2_ENDPOINT or "-"):
        messages.append(
            Warning(
                "CLOUDFLARE_R2_PUBLIC_URL is the bucket's S3 endpoint, which answers signed requests only.",
                hint="Use the public domain of the bucket, or leave it empty for presigned URLs.",
                id="media.W001",
            )
        )
    return messages
