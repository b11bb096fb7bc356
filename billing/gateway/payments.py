"""Checkout sessions, payments, refunds and disputes."""

from collections.abc import Iterator

from billing.gateway.client import Params, StripeObject, call, options, pages, params


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
