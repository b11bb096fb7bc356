"""Customers at Stripe that are nobody's here; those whom we had Stripe forget and who are known here again; and those
that were deleted by hand."""

from datetime import datetime
from typing import Any

from billing import gateway, stripe_data
from billing.models import Customer
from billing.services.customers import find_or_adopt_customer, find_user, replace_deleted
from billing.services.reconcile.comparing import Checks, Difference, Window, compare
from smartspec.users import selectors as users_selectors
from smartspec.users import services as users_services
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


def check_erasures(window: Window, now: datetime) -> Checks:
    """People whom we had Stripe forget and who were not erased here: a backup from before it was restored. And people
    whose customer was deleted by hand, who cannot pay until they have another."""
    for event in gateway.list_deletions(window.created()):
        deleted = stripe_data.event_object(event)
        customer = Customer.objects.filter(pk=deleted["id"]).first()
        if customer is not None and stripe_data.ERASED not in stripe_data.metadata(deleted):
            if window.user_id in (None, customer.user_id):
                yield compare(
                    customer.pk,
                    lambda customer_id=customer.pk: look_at_deleted(customer_id),  # type: ignore[misc]
                    lambda customer_id=customer.pk: replace_deleted(customer_id=customer_id, now=now),  # type: ignore[misc]
                )
            continue
        user = find_forgotten(deleted)
        if user is None or window.user_id not in (None, user.pk):
            continue
        yield compare(
            deleted["id"],
            lambda deleted=deleted, user=user: look_at_forgotten(deleted, user),  # type: ignore[misc]
            lambda user=user: users_services.request_erasure(user=user, now=now),  # type: ignore[misc]
        )


def look_at_deleted(customer_id: str) -> Difference | None:
    customer = Customer.objects.filter(pk=customer_id).first()
    if customer is None or users_selectors.is_erased(user_id=customer.user_id):
        return None
    return Difference("customer_deleted", customer_id, str(customer.user_id), "Deleted at Stripe by hand.")


def find_forgotten(deleted: dict[str, Any]) -> User | None:
    """Return the user whose erasure deleted a customer; None when it was deleted by hand."""
    told = stripe_data.metadata(deleted)
    return find_user(told.get(stripe_data.USER_ID, "")) if stripe_data.ERASED in told else None


def look_at_forgotten(deleted: dict[str, Any], user: User) -> Difference | None:
    if users_selectors.is_erased(user_id=user.pk):
        return None
    return Difference("erasure_forgotten", deleted["id"], str(user.pk), "Was erased, and is known here again.")
