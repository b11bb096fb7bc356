"""A Stripe that cannot be reached, as a transport for the gateway."""

import stripe

from billing.sandbox.client import Answered, InProcessClient


class NoStripe(InProcessClient):
    """Every call fails as if the network were down."""

    name = "no-stripe"

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Answered:
        raise stripe.APIConnectionError("Network is unreachable", should_retry=False)


class NoRefunds(NoStripe):
    """Everything works but making refunds."""

    fails = "/v1/refunds"

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Answered:
        if method == "POST" and url.endswith(self.fails):
            return super().answer(method, url, headers, body)
        return InProcessClient.answer(self, method, url, headers, body)


class NoBalances(NoRefunds):
    """Everything works but customers' credit balances."""

    fails = "/balance_transactions"


class NoVoiding(NoRefunds):
    """Everything works but voiding invoices."""

    fails = "/void"


class StripeWithoutAnswers(NoStripe):
    """What is asked for is done, and the network fails before anybody hears of it."""

    fails = ""

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Answered:
        answered = InProcessClient.answer(self, method, url, headers, body)
        is_unheard = method == "POST" and url.endswith(self.fails)
        return super().answer(method, url, headers, body) if is_unheard else answered


class BalancesWithoutAnswers(StripeWithoutAnswers):
    """Customers' credit balances change, and nobody hears of it."""

    fails = "/balance_transactions"
