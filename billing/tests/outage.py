"""A Stripe that cannot be reached, as a transport for the gateway."""

from collections.abc import Mapping
from typing import Any

import stripe


class NoStripe(stripe.HTTPClient):
    """Every call fails as if the network were down."""

    name = "no-stripe"

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        raise stripe.APIConnectionError("Network is unreachable", should_retry=False)

    def close(self) -> None:
        """Nothing is open."""
