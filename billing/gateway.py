"""The only module that imports `stripe`: every call, its errors in our words, idempotency keys, the pinned version.

Answers are plain dictionaries, read through `stripe_data`. No function here may be called inside a transaction of ours.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import stripe
from django.conf import settings
from django.utils.module_loading import import_string

from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

# What `stripe_data` and the handlers are written for. A newer library sends a newer version; our requests stay at this.
API_VERSION = "2026-08-26.dahlia"
CONNECT_TIMEOUT_SECONDS = 5
SIGNATURE_TOLERANCE_SECONDS = 300
PAGE_SIZE = 100
TURN_WITHIN_SECONDS = 2
UNAVAILABLE = "The payment provider cannot be reached. Please try again in a minute."

StripeObject = dict[str, Any]
Params = dict[str, Any]


class StripeUnavailable(DomainError):
    """Stripe could not be reached, or failed. Trying again later may succeed."""

    code = "stripe_unavailable"
    status = 502
    title = "Payment provider unavailable"


class PaymentsNotConfigured(DomainError):
    """This server has no usable key or price for what was asked."""

    code = "payments_not_configured"
    status = 503
    title = "Payments are not configured"


class CardRefused(DomainError):
    """The bank refused the card; the detail is the sentence that Stripe has for the customer."""

    code = "card_refused"
    status = 422
    title = "Card refused"


class StripeRefused(DomainError):
    """Stripe understood the request and does not do it: our mistake, or a state that changed in between."""

    code = "stripe_refused"
    status = 502
    title = "Refused by the payment provider"


class StripeObjectMissing(StripeRefused):
    """There is no such object at Stripe."""

    code = "stripe_object_missing"
    title = "Not found at the payment provider"


class SignatureInvalid(DomainError):
    """A webhook was not signed with one of our secrets, or too long ago. `cause` says which, for counting."""

    code = "signature_invalid"
    status = 400
    title = "Signature invalid"


# --- The client ---------------------------------------------------------------------------------------------------


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


_calls = threading.BoundedSemaphore(settings.STRIPE_CALLS_AT_ONCE)


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
    if not _calls.acquire(timeout=TURN_WITHIN_SECONDS):
        log.warning("Stripe is unavailable", error="too many calls wait for it")
        raise StripeUnavailable(UNAVAILABLE)
    try:
        answer = plain(operation(client()))
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
    finally:
        _calls.release()
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


# --- Webhook signatures -------------------------------------------------------------------------------------------


def verify_signature(*, body: bytes, header: str, now: datetime) -> None:
    """Check that `body` was signed with one of our secrets within the tolerance.

    :raises SignatureInvalid: with `cause` no_signature, bad_signature or stale.
    """
    if not header:
        raise SignatureInvalid("The Stripe-Signature header is missing.", cause="no_signature")
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            continue
        signed_at, _ = stripe.WebhookSignature._get_timestamp_and_signatures(header, "v1")
        if abs(now.timestamp() - signed_at) > SIGNATURE_TOLERANCE_SECONDS:
            raise SignatureInvalid("The signature is too old; check the clocks.", cause="stale")
        return
    raise SignatureInvalid("The signature does not match any of our webhook secrets.", cause="bad_signature")


# --- Customers and their cards ------------------------------------------------------------------------------------


def create_customer(*, values: Params, idempotency_key: str) -> StripeObject:
    return call(lambda c: c.v1.customers.create(params(values), options(idempotency_key)))


def retrieve_customer(customer_id: str) -> StripeObject:
    return call(lambda c: c.v1.customers.retrieve(customer_id))


def update_customer(customer_id: str, values: Params) -> StripeObject:
    return call(lambda c: c.v1.customers.update(customer_id, params(values)))


def delete_customer(customer_id: str) -> StripeObject:
    deleted: StripeObject = call(lambda c: c.v1.customers.delete(customer_id))
    return deleted


def list_payment_methods(customer_id: str) -> list[StripeObject]:
    return list(pages(lambda c, page: c.v1.customers.payment_methods.list(customer_id, params(page)), {"type": "card"}))


def retrieve_payment_method(payment_method_id: str) -> StripeObject:
    return call(lambda c: c.v1.payment_methods.retrieve(payment_method_id))


def detach_payment_method(payment_method_id: str) -> StripeObject:
    return call(lambda c: c.v1.payment_methods.detach(payment_method_id))


def create_portal_session(values: Params) -> StripeObject:
    return call(lambda c: c.v1.billing_portal.sessions.create(params(values)))


# --- Checkout and payments ----------------------------------------------------------------------------------------


def create_checkout_session(*, values: Params, idempotency_key: str) -> StripeObject:
    return call(lambda c: c.v1.checkout.sessions.create(params(values), options(idempotency_key)))


def retrieve_checkout_session(session_id: str) -> StripeObject:
    """Return the session with its payment intent expanded."""
    return call(lambda c: c.v1.checkout.sessions.retrieve(session_id, params({"expand": ["payment_intent"]})))


def expire_checkout_session(session_id: str) -> StripeObject:
    return call(lambda c: c.v1.checkout.sessions.expire(session_id))


def retrieve_payment_intent(payment_intent_id: str) -> StripeObject:
    return call(lambda c: c.v1.payment_intents.retrieve(payment_intent_id))


def create_refund(*, values: Params, idempotency_key: str) -> StripeObject:
    return call(lambda c: c.v1.refunds.create(params(values), options(idempotency_key)))


def retrieve_refund(refund_id: str) -> StripeObject:
    return call(lambda c: c.v1.refunds.retrieve(refund_id))


def list_refunds(values: Params) -> Iterator[StripeObject]:
    return pages(lambda c, page: c.v1.refunds.list(params(page)), values)


def retrieve_charge(charge_id: str) -> StripeObject:
    return call(lambda c: c.v1.charges.retrieve(charge_id))


def retrieve_dispute(dispute_id: str) -> StripeObject:
    return call(lambda c: c.v1.disputes.retrieve(dispute_id))


def list_disputes(values: Params) -> Iterator[StripeObject]:
    return pages(lambda c, page: c.v1.disputes.list(params(page)), values)


def list_checkout_sessions(values: Params) -> Iterator[StripeObject]:
    return pages(lambda c, page: c.v1.checkout.sessions.list(params(page)), values)


def list_customers(values: Params) -> Iterator[StripeObject]:
    return pages(lambda c, page: c.v1.customers.list(params(page)), values)


def list_payment_intents(values: Params) -> Iterator[StripeObject]:
    return pages(lambda c, page: c.v1.payment_intents.list(params(page)), values)


def list_all_subscriptions(values: Params) -> Iterator[StripeObject]:
    """Yield subscriptions, ended ones included."""
    return pages(lambda c, page: c.v1.subscriptions.list(params(page)), {"status": "all", **values})


def list_payments_of_intent(payment_intent_id: str) -> list[StripeObject]:
    """Return the invoice payments that a payment intent made."""
    values = {"payment": {"type": "payment_intent", "payment_intent": payment_intent_id}}
    return list(pages(lambda c, page: c.v1.invoice_payments.list(params(page)), values))


# --- Subscriptions and invoices -----------------------------------------------------------------------------------


def retrieve_subscription(subscription_id: str) -> StripeObject:
    return call(lambda c: c.v1.subscriptions.retrieve(subscription_id))


def list_subscriptions(customer_id: str) -> list[StripeObject]:
    """Return all of a customer's subscriptions, ended ones included."""
    return list(
        pages(lambda c, page: c.v1.subscriptions.list(params(page)), {"customer": customer_id, "status": "all"})
    )


def update_subscription(subscription_id: str, values: Params, *, idempotency_key: str | None = None) -> StripeObject:
    return call(lambda c: c.v1.subscriptions.update(subscription_id, params(values), options(idempotency_key)))


def cancel_subscription(subscription_id: str) -> StripeObject:
    """End a subscription now. Never prorates: what was paid for and not used is not given back."""
    return call(lambda c: c.v1.subscriptions.cancel(subscription_id, params({"prorate": False, "invoice_now": False})))


def retrieve_schedule(schedule_id: str) -> StripeObject:
    return call(lambda c: c.v1.subscription_schedules.retrieve(schedule_id))


def create_schedule(*, subscription_id: str) -> StripeObject:
    values = {"from_subscription": subscription_id}
    return call(lambda c: c.v1.subscription_schedules.create(params(values)))


def update_schedule(schedule_id: str, values: Params) -> StripeObject:
    return call(lambda c: c.v1.subscription_schedules.update(schedule_id, params(values)))


def release_schedule(schedule_id: str) -> StripeObject:
    return call(lambda c: c.v1.subscription_schedules.release(schedule_id))


def retrieve_invoice(invoice_id: str) -> StripeObject:
    """Return the invoice with its payments."""
    return call(lambda c: c.v1.invoices.retrieve(invoice_id, params({"expand": ["payments"]})))


def list_invoices(values: Params) -> StripeObject:
    """Return one page of invoices: `data` and `has_more`."""
    return call(lambda c: c.v1.invoices.list(params(values)))


def list_all_invoices(values: Params) -> Iterator[StripeObject]:
    return pages(lambda c, page: c.v1.invoices.list(params(page)), values)


def preview_invoice(values: Params) -> StripeObject:
    return call(lambda c: c.v1.invoices.create_preview(params(values)))


def void_invoice(invoice_id: str) -> StripeObject:
    return call(lambda c: c.v1.invoices.void_invoice(invoice_id))


# --- What `setup_stripe` keeps in order ---------------------------------------------------------------------------


def retrieve_product(product_id: str) -> StripeObject:
    return call(lambda c: c.v1.products.retrieve(product_id))


def create_product(values: Params) -> StripeObject:
    return call(lambda c: c.v1.products.create(params(values)))


def retrieve_price(price_id: str) -> StripeObject:
    return call(lambda c: c.v1.prices.retrieve(price_id))


def list_prices(lookup_keys: list[str]) -> list[StripeObject]:
    return list(pages(lambda c, page: c.v1.prices.list(params(page)), {"lookup_keys": lookup_keys, "active": True}))


def create_price(values: Params) -> StripeObject:
    return call(lambda c: c.v1.prices.create(params(values)))


def list_webhook_endpoints() -> list[StripeObject]:
    return list(pages(lambda c, page: c.v1.webhook_endpoints.list(params(page)), {}))


def create_webhook_endpoint(values: Params) -> StripeObject:
    return call(lambda c: c.v1.webhook_endpoints.create(params(values)))


def update_webhook_endpoint(endpoint_id: str, values: Params) -> StripeObject:
    return call(lambda c: c.v1.webhook_endpoints.update(endpoint_id, params(values)))


def list_portal_configurations() -> list[StripeObject]:
    return list(pages(lambda c, page: c.v1.billing_portal.configurations.list(params(page)), {"active": True}))


def create_portal_configuration(values: Params) -> StripeObject:
    return call(lambda c: c.v1.billing_portal.configurations.create(params(values)))


def update_portal_configuration(configuration_id: str, values: Params) -> StripeObject:
    return call(lambda c: c.v1.billing_portal.configurations.update(configuration_id, params(values)))
