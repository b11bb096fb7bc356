"""What Stripe knows of a user: cards, invoices, what is due next. Every function here calls Stripe."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from billing import gateway, stripe_data
from billing.models import Customer
from billing.selectors.subscriptions import current_subscription, planned_end
from smartspec.errors import DomainError

NOTHING_UPCOMING = "invoice_upcoming_none"


class InvoiceNotFound(DomainError):
    """There is no such invoice, or it is somebody else's."""

    code = "not_found"
    status = 404
    title = "Not Found"


@dataclass(frozen=True)
class PaymentMethod:
    id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool


@dataclass(frozen=True)
class Invoice:
    """Amounts in the currency's minor unit."""

    id: str
    number: str | None
    amount_due: int
    amount_paid: int
    currency: str
    status: str
    created: datetime
    description: str
    invoice_pdf: str | None
    hosted_invoice_url: str | None


@dataclass(frozen=True)
class UpcomingInvoice:
    amount_due: int
    currency: str
    next_payment_attempt: datetime | None


def list_payment_methods(*, user_id: UUID) -> list[PaymentMethod]:
    """Return the user's cards; `is_default` is the one that renewals are paid by.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    customer_id = find_customer_id(user_id=user_id)
    if customer_id is None:
        return []
    default_id = default_payment_method_id(user_id, customer_id)
    return [
        PaymentMethod(
            id=found["id"],
            brand=found["card"]["brand"],
            last4=found["card"]["last4"],
            exp_month=found["card"]["exp_month"],
            exp_year=found["card"]["exp_year"],
            is_default=found["id"] == default_id,
        )
        for found in gateway.list_payment_methods(customer_id)
    ]


def default_payment_method_id(user_id: UUID, customer_id: str) -> str:
    """Return the card that the subscription is paid by, else the customer's default; empty without either."""
    subscription = current_subscription(user_id=user_id)
    if subscription is not None:
        fetched = gateway.retrieve_subscription(subscription.pk)
        of_subscription = stripe_data.subscription_default_payment_method_id(fetched)
        if of_subscription:
            return of_subscription
    return stripe_data.customer_default_payment_method_id(gateway.retrieve_customer(customer_id))


def list_invoices(*, user_id: UUID, limit: int, starting_after: str = "") -> tuple[list[Invoice], bool]:
    """Return a page of the user's invoices, newest first, and whether there are more.

    :raises InvoiceNotFound: `starting_after` is no invoice of this user.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    customer_id = find_customer_id(user_id=user_id)
    values: dict[str, Any] = {"customer": customer_id, "limit": limit}
    if starting_after:
        require_own_invoice(starting_after, customer_id)
        values["starting_after"] = starting_after
    if customer_id is None:
        return [], False
    page = gateway.list_invoices(values)
    return [as_invoice(found) for found in page["data"]], bool(page["has_more"])


def require_own_invoice(invoice_id: str, customer_id: str | None) -> None:
    """:raises InvoiceNotFound: unknown, or somebody else's."""
    try:
        found = gateway.retrieve_invoice(invoice_id) if customer_id else None
    except gateway.StripeObjectMissing:
        found = None
    if found is None or stripe_data.object_id(found["customer"]) != customer_id:
        raise InvoiceNotFound("You have no such invoice.")


def as_invoice(found: dict[str, Any]) -> Invoice:
    return Invoice(
        id=found["id"],
        number=found["number"],
        amount_due=found["amount_due"],
        amount_paid=found["amount_paid"],
        currency=found["currency"],
        status=found["status"],
        created=stripe_data.required_moment(found["created"]),
        description=stripe_data.invoice_description(found),
        invoice_pdf=found["invoice_pdf"],
        hosted_invoice_url=found["hosted_invoice_url"],
    )


def get_upcoming_invoice(*, user_id: UUID) -> UpcomingInvoice | None:
    """Return what will be charged next, None when nothing will.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    subscription = current_subscription(user_id=user_id)
    ends_at = planned_end(subscription) if subscription else None
    if subscription is None or (ends_at and ends_at <= subscription.current_period_end):
        return None
    try:
        preview = gateway.preview_invoice({"customer": subscription.customer_id, "subscription": subscription.pk})
    except gateway.StripeRefused as error:
        if error.context.get("stripe_code") == NOTHING_UPCOMING:
            return None
        raise
    return UpcomingInvoice(
        amount_due=preview["amount_due"],
        currency=preview["currency"],
        next_payment_attempt=stripe_data.moment(preview["next_payment_attempt"]),
    )


def portal_return_url(*, return_url: str) -> str:
    """Return the page of ours that leads on to `return_url` (allowed before)."""
    return f"{settings.SITE_URL}{reverse('pay-back')}?{urlencode({'to': return_url})}"


def find_customer_id(*, user_id: UUID) -> str | None:
    """Return who a user is at Stripe, or None while they are nobody there."""
    return Customer.objects.filter(user_id=user_id).values_list("pk", flat=True).first()
