"""Every call that the sandbox answers, on one screen."""

import re
from functools import cache

from billing.sandbox.api.clocks import CLOCK_ROUTES
from billing.sandbox.api.customers import CUSTOMER_ROUTES
from billing.sandbox.api.invoicing import INVOICE_ROUTES
from billing.sandbox.api.payments import PAYMENT_ROUTES
from billing.sandbox.api.platform import PLATFORM_ROUTES
from billing.sandbox.api.products import PRODUCT_ROUTES
from billing.sandbox.api.routing import Call, Route
from billing.sandbox.api.selling import SELLING_ROUTES
from billing.sandbox.api.subscriptions import SUBSCRIPTION_ROUTES
from billing.sandbox.errors import StripeError

__all__ = ["ROUTES", "Call", "Route", "find_route"]

ROUTES: list[Route] = [
    *CUSTOMER_ROUTES,
    *PRODUCT_ROUTES,
    *SELLING_ROUTES,
    *PAYMENT_ROUTES,
    *SUBSCRIPTION_ROUTES,
    *INVOICE_ROUTES,
    *PLATFORM_ROUTES,
    *CLOCK_ROUTES,
]


@cache
def _compiled() -> list[tuple[re.Pattern[str], Route]]:
    return [(route.pattern, route) for route in ROUTES]


def find_route(method: str, path: str) -> tuple[Route, list[str]]:
    """This will return the route of a request and the ids in its path.

    :raises StripeError: 404, in Stripe's words, for anything else.
    """
    path = path.rstrip("/") if path != "/" else path
    for pattern, route in _compiled():
        if route.method == method and (match := pattern.match(path)):
            return route, list(match.groups())
    raise StripeError(404, f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs.")
