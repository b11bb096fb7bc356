"""What the pages answer with: a template that knows the merchant, and the way out to the merchant's own addresses."""

from typing import Any
from urllib.parse import urlsplit

from csp.constants import SELF
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from billing.sandbox import presentation

# An address that a browser would run instead of visiting.
NEVER_LINKED = {"javascript", "data", "vbscript"}


class Leave(HttpResponseRedirect):
    """Leads to an address of the merchant's, app schemes included."""

    status_code = 303

    def __init__(self, url: str) -> None:
        self.allowed_schemes = [urlsplit(url).scheme] if linkable(url) else []
        super().__init__(url)


def linkable(url: str | None) -> str:
    """This will return an address that may stand in a link, and nothing in place of any other."""
    return url if url and urlsplit(url).scheme not in NEVER_LINKED else ""


def show(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    status: int = 200,
    leads_to: str | None = None,
) -> HttpResponse:
    """This will render a hosted page. `leads_to` is the address to which a form of the page leads in the end."""
    values = {"merchant": presentation.find_merchant_name()} | (context or {})
    response = render(request, f"billing_sandbox/{template}", values, status=status)
    if leads_to:
        # Chromium holds the redirect after a form against form-action too.
        parts = urlsplit(leads_to)
        source = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
        response._csp_update = {"form-action": [SELF, source]}  # type: ignore[attr-defined]
    # The portal's address is a secret, and a typed card must not come back from a cache.
    response["Referrer-Policy"] = "same-origin"
    response["Cache-Control"] = "no-store"
    return response


def show_message(
    request: HttpRequest,
    heading: str,
    *sentences: str,
    back_url: str | None = None,
    back_label: str = "",
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    """This will render a page that says one thing and leads back."""
    values = {"heading": heading, "sentences": sentences, "back_url": linkable(back_url)}
    values["back_label"] = back_label or f"Back to {presentation.find_merchant_name()}"
    return show(request, "message.html", values | context, status=status)
