"""Our own calls to the sandbox, inside this process: stripe-python's pluggable HTTP client without a network.

A server that called itself over HTTP could wait for itself. As the sandbox then shares the caller's database
connection, what it writes inside a caller's transaction is undone with it; callers call Stripe outside of transactions.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe
from django.conf import settings
from requests.structures import CaseInsensitiveDict

from billing.sandbox.api import dispatch
from smartspec import clock

Answered = tuple[str, int, Mapping[str, str]]  # body, status, headers


class InProcessClient(stripe.HTTPClient):
    """Set as `stripe.default_http_client`, or given to a `stripe.StripeClient`."""

    name = "smartspec-sandbox"

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> Answered:
        body = post_data if isinstance(post_data, str) else (post_data or b"").decode()
        return self.answer(method.upper(), url, dict(headers or {}), body)

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Answered:
        """Answer one request; `url` is absolute and begins with `STRIPE_API_BASE`."""
        parts = urlsplit(url)
        base = urlsplit(settings.STRIPE_API_BASE).path
        rest = parts.path.removeprefix(base)
        answered = dispatch.answer(
            method=method,
            url=rest + (f"?{parts.query}" if parts.query else ""),
            headers=headers,
            body=body,
            now=clock.now(),
        )
        return answered.body, answered.status, CaseInsensitiveDict(answered.headers)

    def close(self) -> None:
        """There is nothing to close."""


def build_client(api_key: str) -> stripe.StripeClient:
    """Return stripe-python's client, talking to the sandbox of this process."""
    return stripe.StripeClient(api_key, http_client=InProcessClient(), base_addresses={"api": settings.STRIPE_API_BASE})
