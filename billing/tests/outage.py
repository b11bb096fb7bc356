"""A Stripe that cannot be reached, as a transport for the gateway."""

import stripe

from billing.sandbox.client import Answered, InProcessClient


class NoStripe(InProcessClient):
    """Every call fails as if the network were down."""

    name = "no-stripe"

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Answered:
        raise stripe.APIConnectionError("Network is unreachable", should_retry=False)
