"""A user's cards, invoices and portal. They live at Stripe; a user can name only their own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from billing import gateway, selectors, stripe_data
from billing.models import Customer
from billing.services.customers import ensure_customer
from smartspec.errors import DomainError
from smartspec.users.models import User


class PaymentMethodNotFound(DomainError):
    """There is no such payment method, or it is somebody else's."""

    code = "not_found"
    status = 404
    title = "Not Found"


def open_portal(*, user: User, return_url: str, now: datetime) -> str:
    """This will return the address of Stripe's Customer Portal for this user; it is a short-lived secret.

    Stripe is given our own page to return to, which leads on to `return_url`.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    customer = ensure_customer(user=user, now=now)
    values: dict[str, Any] = {"customer": customer.pk, "return_url": selectors.portal_return_url(return_url=return_url)}
    if settings.STRIPE_PORTAL_CONFIGURATION:
        values["configuration"] = settings.STRIPE_PORTAL_CONFIGURATION
    return str(gateway.create_portal_session(values)["url"])


@dataclass(frozen=True)
class OwnPaymentMethod:
    customer: Customer
    payment_method_id: str


def find_own(*, user: User, payment_method_id: str) -> OwnPaymentMethod:
    """:raises PaymentMethodNotFound: unknown, or somebody else's."""
    customer = Customer.objects.filter(user=user).first()
    try:
        found = gateway.retrieve_payment_method(payment_method_id) if customer else None
    except gateway.StripeObjectMissing:
        found = None
    if customer is None or found is None or stripe_data.object_id(found.get("customer")) != customer.pk:
        raise PaymentMethodNotFound("You have no such payment method.")
    return OwnPaymentMethod(customer, payment_method_id)


def delete_payment_method(*, user: User, payment_method_id: str) -> None:
    """This will take a card off the user's customer at Stripe.

    :raises PaymentMethodNotFound: unknown, or somebody else's.
    """
    own = find_own(user=user, payment_method_id=payment_method_id)
    gateway.detach_payment_method(own.payment_method_id)


def make_default_payment_method(*, user: User, payment_method_id: str) -> None:
    """This will let everything that renews be paid by this card: the customer's default, and the subscription's.

    :raises PaymentMethodNotFound: unknown, or somebody else's.
    """
    own = find_own(user=user, payment_method_id=payment_method_id)
    gateway.update_customer(own.customer.pk, {"invoice_settings": {"default_payment_method": own.payment_method_id}})
    subscription = selectors.current_subscription(user_id=user.pk)
    if subscription is not None:
        # Checkout set the card on the subscription, where it would outrank the customer's default.
        gateway.update_subscription(subscription.pk, {"default_payment_method": own.payment_method_id})
