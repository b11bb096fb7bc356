"""Customers at Stripe that name a user of ours, and are nobody's here."""

from datetime import datetime
from typing import Any

from billing import gateway, stripe_data
from billing.models import Customer
from billing.services.customers import find_or_adopt_customer, find_user
from billing.services.reconcile.comparing import Checks, Difference, Window, compare
from smartspec.users.models import User


def check_customers(window: Window, now: datetime) -> Checks:
    """Customers at Stripe that name a user of ours, and are nobody's here."""
    values = window.created()
    if window.user_id:
        values = {"email": User.objects.get(pk=window.user_id).email}
    for fetched in gateway.list_customers(values):
        yield compare(
            fetched["id"],
            lambda fetched=fetched: look_at_customer(fetched),  # type: ignore[misc]
            lambda fetched=fetched: find_or_adopt_customer(customer_id=fetched["id"], now=now),  # type: ignore[misc]
        )


def look_at_customer(fetched: dict[str, Any]) -> Difference | None:
    user = find_user(stripe_data.metadata(fetched).get(stripe_data.USER_ID, ""))
    if user is None or Customer.objects.filter(pk=fetched["id"]).exists():
        return None
    if Customer.objects.filter(user=user).exists():
        return None  # made beside the one in use; whatever it pays for is looked at below
    return Difference("customer_unlinked", fetched["id"], str(user.pk), "Names a user who has no customer.")
