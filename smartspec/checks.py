"""System checks of production: with an error the web server refuses to start; a warning is shown by `doctor`."""

from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.http.request import validate_host

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
        "E005": any(host == "*" or (host.startswith(".") and "." not in host[1:]) for host in settings.ALLOWED_HOSTS)
        and "SMARTSPEC_ALLOWED_HOSTS must name the hosts of this server in production; * or .com lets anybody name"
        " theirs.",
        "E010": not validate_host(urlsplit(settings.SITE_URL).hostname or "", settings.ALLOWED_HOSTS)
        and "SMARTSPEC_ALLOWED_HOSTS must name the host of SMARTSPEC_SITE_URL: else every link of ours is refused.",
        "E011": any(ip_network(network).prefixlen == 0 for network in settings.METRICS_NETWORKS)
        and "SMARTSPEC_METRICS_NETWORKS must name the networks that Prometheus asks from: /0 is everybody.",
        "E012": settings.CLOUDFLARE_R2_PUBLIC_URL.startswith("http://")
        and "CLOUDFLARE_R2_PUBLIC_URL must be https in production.",
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
    if not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL or is_near(settings.EMAIL_HOST)):
        sentence = "EMAIL_URL sends codes in clear to another machine: smtp+tls:// or smtp+ssl:// do not."
        messages.append(Warning(sentence, id="smartspec.W002"))
    return messages


def is_near(host: str) -> bool:
    """Tell whether a host is this machine, or one that it knows by a name of its own, such as another container."""
    return "." not in host or host.startswith("127.")
