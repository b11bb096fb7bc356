"""The client of the pinned version, and the one place where a call is made and its errors become ours."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import stripe
from django.conf import settings
from django.utils.module_loading import import_string

from billing.gateway.errors import (
    UNAVAILABLE,
    CardRefused,
    PaymentsNotConfigured,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
)
from smartspec.bulkheads import Bulkhead, NoTurn
from smartspec.logs import get_logger

log = get_logger(__name__)

# What `stripe_data` and the handlers are written for. A newer library sends a newer version; our requests stay at this.
API_VERSION = "2026-08-26.dahlia"
CONNECT_TIMEOUT_SECONDS = 5
PAGE_SIZE = 100

StripeObject = dict[str, Any]
Params = dict[str, Any]


@lru_cache(maxsize=4)
def build_http_client(dotted_path: str, timeout_seconds: int) -> stripe.HTTPClient:
    """Return the transport: the one that the settings name, or the library's own over `requests`."""
    if dotted_path:
        transport: stripe.HTTPClient = import_string(dotted_path)()
        return transport
    return stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, timeout_seconds))


@lru_cache(maxsize=4)
def build_client(api_key: str, api_base: str, dotted_path: str, timeout_seconds: int) -> stripe.StripeClient:
    """Return a client of the pinned version. `StripeClient` ignores `stripe.api_base`, so the base is passed."""
    return stripe.StripeClient(
        api_key,
        stripe_version=API_VERSION,
        base_addresses={"api": api_base} if api_base else None,
        max_network_retries=settings.STRIPE_RETRIES,
        http_client=build_http_client(dotted_path, timeout_seconds),
    )


def is_configured() -> bool:
    """Tell whether this server has a key to call Stripe with."""
    return bool(settings.STRIPE_SECRET_KEY)


_bulkhead = Bulkhead(settings.STRIPE_CALLS_AT_ONCE)


def client() -> stripe.StripeClient:
    """Return the client of the current settings.

    :raises PaymentsNotConfigured: there is no key.
    """
    if not is_configured():
        raise PaymentsNotConfigured("Payments are not set up on this server yet. Please try again later.")
    return build_client(
        settings.STRIPE_SECRET_KEY,
        settings.STRIPE_API_BASE,
        settings.STRIPE_HTTP_CLIENT,
        settings.STRIPE_TIMEOUT_SECONDS,
    )


def configure_library() -> None:
    """Point the library's global state, which dj-stripe uses, at the same Stripe as our own client."""
    stripe.enable_telemetry = False
    stripe.max_network_retries = settings.STRIPE_RETRIES
    stripe.default_http_client = build_http_client(settings.STRIPE_HTTP_CLIENT, settings.STRIPE_TIMEOUT_SECONDS)
    if settings.STRIPE_API_BASE:
        stripe.api_base = settings.STRIPE_API_BASE


def call(operation: Callable[[stripe.StripeClient], Any]) -> Any:
    """Run one call and return its answer as plain data.

    :raises StripeUnavailable: unreachable, overloaded or broken.
    :raises PaymentsNotConfigured: no key, or one that Stripe does not accept.
    :raises CardRefused: the card was refused.
    :raises StripeObjectMissing: no such object.
    :raises StripeRefused: anything else that Stripe refuses.
    """
    try:
        with _bulkhead.turn():
            answer = plain(operation(client()))
    except NoTurn as error:
        log.warning("Stripe is unavailable", error="too many calls wait for it")
        raise StripeUnavailable(UNAVAILABLE) from error
    except stripe.CardError as error:
        raise CardRefused(
            error.user_message or "Your card was declined.", decline_code=getattr(error.error, "decline_code", None)
        ) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        log.error("Stripe refused our key", stripe_request_id=error.request_id)
        raise PaymentsNotConfigured("Payments are not set up correctly on this server.") from error
    except stripe.InvalidRequestError as error:
        missing = error.code == "resource_missing"
        if not missing:
            log.warning(
                "Stripe refused a request", reason=error.user_message, param=error.param, code=error.code,
                stripe_request_id=error.request_id,
            )  # fmt: skip
        kind = StripeObjectMissing if missing else StripeRefused
        raise kind(
            "The payment provider refused this request. Please try again, or contact support.", stripe_code=error.code
        ) from error
    except stripe.StripeError as error:
        log.warning("Stripe is unavailable", error=type(error).__name__, stripe_request_id=error.request_id)
        raise StripeUnavailable(UNAVAILABLE) from error
    if not isinstance(answer, dict) or "object" not in answer:
        # Somebody answered, but not Stripe: a proxy, a portal of a network.
        log.error("Stripe is unavailable", error="the answer is no object of Stripe's")
        raise StripeUnavailable(UNAVAILABLE)
    return answer


def plain(answer: Any) -> Any:
    return answer.to_dict() if isinstance(answer, stripe.StripeObject) else answer


def params(values: Params) -> Any:
    """Hand our dictionaries to the library's typed ones."""
    return values


def options(idempotency_key: str | None) -> Any:
    return {"idempotency_key": idempotency_key} if idempotency_key else None


def pages(fetch: Callable[[stripe.StripeClient, Params], Any], values: Params) -> Iterator[StripeObject]:
    """Yield every object of a list, page by page."""
    after: Params = {}
    while True:
        page = call(lambda stripe_client: fetch(stripe_client, {**values, **after, "limit": PAGE_SIZE}))  # noqa: B023
        yield from page["data"]
        if not page["has_more"] or not page["data"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}
