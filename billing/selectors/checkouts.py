"""Where a checkout stands."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from billing.models import CheckoutState, PaidInvoice, Purchase, SubscriptionCheckout


@dataclass(frozen=True)
class CheckoutStatus:
    """What the app polls for."""

    session_id: str
    mode: str
    status: str
    credits_granted: Decimal


def find_checkout(*, session_id: str, user_id: UUID | None = None) -> Purchase | SubscriptionCheckout | None:
    """Return the checkout with this session, of this user if one is given."""
    if not session_id or "\x00" in session_id:
        return None
    owner = {} if user_id is None else {"user_id": user_id}
    purchase = Purchase.objects.filter(session_id=session_id, **owner).select_related("package", "user").first()
    if purchase is not None:
        return purchase
    return SubscriptionCheckout.objects.filter(session_id=session_id, **owner).select_related("user").first()


def get_checkout_status(checkout: Purchase | SubscriptionCheckout) -> CheckoutStatus:
    """Return the state of a checkout and the credits that it has given so far."""
    is_fulfilled = checkout.state == CheckoutState.FULFILLED
    if isinstance(checkout, Purchase):
        mode, granted = "payment", Decimal(checkout.total_credits) if is_fulfilled else Decimal(0)
    else:
        mode, granted = "subscription", first_allowance(checkout) if is_fulfilled else Decimal(0)
    return CheckoutStatus(
        session_id=checkout.session_id or "", mode=mode, status=checkout.state, credits_granted=granted
    )


def first_allowance(checkout: SubscriptionCheckout) -> Decimal:
    """Return the credits that the first paid invoice of the checkout's subscription gave."""
    if not checkout.subscription_id:
        return Decimal(0)
    invoices = PaidInvoice.objects.filter(
        subscription_id=checkout.subscription_id, billing_reason="subscription_create"
    )
    total: Decimal | None = invoices.aggregate(total=Sum("allowance_credits"))["total"]
    return total or Decimal(0)


def find_checkout_by_id(*, checkout_id: UUID) -> Purchase | SubscriptionCheckout | None:
    """Return the checkout with this id of ours."""
    return (
        Purchase.objects.filter(pk=checkout_id).select_related("package").first()
        or SubscriptionCheckout.objects.filter(pk=checkout_id).first()
    )
