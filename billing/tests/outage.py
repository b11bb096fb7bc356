"""A Stripe that cannot be reached, or not by some calls, as a transport for the gateway."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import stripe
from django.test import override_settings

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


class Killed(BaseException):
    """The process is no more."""


class CutOff(InProcessClient):
    """Fails at the calls that `cut_off` names, as `METHOD /path`."""

    name = "cut-off"
    at: ClassVar[str] = ""
    is_done: ClassVar[bool] = False
    lasts: ClassVar[bool] = False
    error: ClassVar[type[BaseException]] = Killed
    has_begun: ClassVar[bool] = False

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Answered:
        is_the_call = re.search(f"{self.at}$", f"{method} {url.partition('?')[0]}") is not None
        if not (is_the_call and not self.has_begun) and not (self.has_begun and self.lasts):
            return super().answer(method, url, headers, body)
        if is_the_call and self.is_done and not self.has_begun:
            super().answer(method, url, headers, body)
        type(self).has_begun = True
        if self.error is Killed:
            raise Killed
        raise stripe.APIConnectionError("Network is unreachable", should_retry=False)


@contextmanager
def cut_off(
    at: str, *, is_done: bool = False, lasts: bool = False, error: type[BaseException] = stripe.APIConnectionError
) -> Iterator[None]:
    """Let the first call fail whose method and path end in `at`, before it is done or (`is_done`) after, and with
    `lasts` every call from then on."""
    CutOff.at, CutOff.is_done, CutOff.lasts, CutOff.error, CutOff.has_begun = at, is_done, lasts, error, False
    with override_settings(STRIPE_HTTP_CLIENT="billing.tests.outage.CutOff"):
        yield
    assert CutOff.has_begun, f"nothing has called {at}"
