"""Customers, their cards and the portal."""

from collections.abc import Iterator

from billing.gateway.client import Params, StripeObject, call, options, pages, params


def create_customer(*, values: Params, idempotency_key: str) -> StripeObject:
    return call(lambda c: c.v1.customers.create(params(values), options(idempotency_key)))


def retrieve_customer(customer_id: str) -> StripeObject:
    return call(lambda c: c.v1.customers.retrieve(customer_id))


def update_customer(customer_id: str, values: Params) -> StripeObject:
    return call(lambda c: c.v1.customers.update(customer_id, params(values)))


def delete_customer(customer_id: str) -> StripeObject:
    deleted: StripeObject = call(lambda c: c.v1.customers.delete(customer_id))
    return deleted


def list_deletions(values: Params) -> Iterator[StripeObject]:
    """Yield the events of customers that were deleted, newest first; Stripe keeps events for 30 days."""
    return pages(lambda c, page: c.v1.events.list(params(page)), values | {"type": "customer.deleted"})


def list_payment_methods(customer_id: str) -> list[StripeObject]:
    return list(pages(lambda c, page: c.v1.customers.payment_methods.list(customer_id, params(page)), {"type": "card"}))


def retrieve_payment_method(payment_method_id: str) -> StripeObject:
    return call(lambda c: c.v1.payment_methods.retrieve(payment_method_id))


def detach_payment_method(payment_method_id: str) -> StripeObject:
    return call(lambda c: c.v1.payment_methods.detach(payment_method_id))


def create_balance_transaction(customer_id: str, *, values: Params, idempotency_key: str) -> StripeObject:
    """Change what a customer has with us; an amount below zero is in their favour."""
    return call(
        lambda c: c.v1.customers.balance_transactions.create(customer_id, params(values), options(idempotency_key))
    )


def list_balance_transactions(customer_id: str) -> Iterator[StripeObject]:
    return pages(lambda c, page: c.v1.customers.balance_transactions.list(customer_id, params(page)), {})


def create_portal_session(values: Params) -> StripeObject:
    return call(lambda c: c.v1.billing_portal.sessions.create(params(values)))
