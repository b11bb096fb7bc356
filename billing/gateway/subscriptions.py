"""Subscriptions, their schedules and their invoices."""

from collections.abc import Iterator

from billing.gateway.client import Params, StripeObject, call, options, pages, params


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
    """Return the invoice with its payments and all of its lines."""
    return with_all_lines(call(lambda c: c.v1.invoices.retrieve(invoice_id, params({"expand": ["payments"]}))))


def with_all_lines(invoice: StripeObject) -> StripeObject:
    """Fetch the rest of an invoice's lines: Stripe puts only the first ten into it."""
    if invoice["lines"]["has_more"]:
        lines = pages(lambda c, page: c.v1.invoices.line_items.list(invoice["id"], params(page)), {})
        invoice["lines"]["data"] = list(lines)
    return invoice


def list_invoices(values: Params) -> StripeObject:
    """Return one page of invoices: `data` and `has_more`."""
    return call(lambda c: c.v1.invoices.list(params(values)))


def list_all_invoices(values: Params) -> Iterator[StripeObject]:
    """Yield every invoice that a list names, each with all of its lines."""
    return map(with_all_lines, pages(lambda c, page: c.v1.invoices.list(params(page)), values))


def preview_invoice(values: Params) -> StripeObject:
    return call(lambda c: c.v1.invoices.create_preview(params(values)))


def void_invoice(invoice_id: str) -> StripeObject:
    return call(lambda c: c.v1.invoices.void_invoice(invoice_id))
