"""Where a checkout or the portal may lead back to: this site, the app's origins and its own URL schemes."""

from urllib.parse import urlsplit

from django.conf import settings

MAX_LENGTH = 2048


def is_allowed(url: str) -> bool:
    """Tell whether `url` matches an origin (`https://app.example.com`) or a scheme (`smartspec://`) of the settings."""
    # Browsers drop control characters and read a backslash as a slash; urlsplit does not. Such a URL is never honest.
    if (
        len(url) > MAX_LENGTH
        or "\\" in url
        or any(ord(character) <= 0x20 or ord(character) == 0x7F for character in url)
    ):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    for allowed in settings.RETURN_URL_ALLOWLIST:
        if allowed.endswith("://"):
            if url.lower().startswith(allowed.lower()):
                return True
        elif origin == allowed.lower().rstrip("/"):
            return True
    return False
