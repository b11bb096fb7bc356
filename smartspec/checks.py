"""System checks of production: with an error the web server refuses to start; a warning is shown by `doctor`."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

KEY_LENGTH = 50


@register(Tags.security, deploy=False)
def check_production_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What is right on one's own machine is an open door on a server that people pay at."""
    if not settings.PRODUCTION:
        return []
    wrong = {
        "E001": settings.DEBUG and "SMARTSPEC_DEBUG must be false in production: its error pages show settings.",
        "E002": len(settings.SECRET_KEY) < KEY_LENGTH
        and f"SMARTSPEC_SECRET_KEY must have {KEY_LENGTH} or more random characters in production.",
        "E007": settings.SECRET_KEY.startswith("local-only-secret-key")
        and "SMARTSPEC_SECRET_KEY is the one that stands in the code: anybody could sign with it. Set one of your own.",
        "E008": any(len(key) < KEY_LENGTH for key in settings.SECRET_KEY_FALLBACKS)
        and f"Each of SMARTSPEC_SECRET_KEY_FALLBACKS must have {KEY_LENGTH} or more random characters in production:"
        " what is signed under it is trusted.",
        "E009": settings.EMAIL_BACKEND.endswith("console.EmailBackend")
        and "EMAIL_URL must name a mail server in production: codes would be written to the log.",
        "E003": len(settings.ADDRESS_HASH_KEY) < KEY_LENGTH
        and f"SMARTSPEC_ADDRESS_HASH_KEY must have {KEY_LENGTH} or more random characters in production.",
        "E004": not settings.SITE_URL.startswith("https://") and "SMARTSPEC_SITE_URL must be https in production.",
        "E005": any(host in ("*", ".") for host in settings.ALLOWED_HOSTS)
        and "SMARTSPEC_ALLOWED_HOSTS must name the hosts of this server in production; * lets anybody name theirs.",
        "E006": settings.STRIPE_SECRET_KEY
        and not settings.STRIPE_LIVE_MODE
        and not settings.TEST_KEYS_ALLOWED
        and "STRIPE_SECRET_KEY is a test key: credits would be given for payments that nobody made. Set the live key;"
        " on a server that is for trying out, set SMARTSPEC_ALLOW_TEST_KEYS=true.",
    }
    messages: list[CheckMessage] = [
        Error(sentence, id=f"smartspec.{number}") for number, sentence in wrong.items() if sentence
    ]
    if not settings.OPERATOR_EMAILS:
        messages.append(
            Warning("SMARTSPEC_OPERATOR_EMAILS is not set: nobody is told when something breaks.", id="smartspec.W001")
        )
    return messages
