"""Who a user is at Stripe."""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import gateway, selectors, stripe_data
from billing.models import Customer, Subscription
from smartspec.logs import get_logger
from smartspec.users import selectors as users_selectors
from smartspec.users.models import User

log = get_logger(__name__)


def ensure_customer(*, user: User, now: datetime) -> Customer:
    """This will return the user's customer at Stripe, made on first use. Two callers at once get the same one.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    known = Customer.objects.filter(user=user).first()
    if known is not None:
        return known
    created = create_customer(user)
    customer, _ = Customer.objects.get_or_create(user=user, defaults={"id": created["id"], "created_at": now})
    return customer


def create_customer(user: User, *, instead_of: str = "") -> dict[str, Any]:
    """Make a customer at Stripe; of several tries for the same cause, one."""
    # dj-stripe links its mirror of the customer to the user by this metadata key.
    values = {
        "email": user.email,
        "name": user.name,
        "metadata": {stripe_data.USER_ID: str(user.pk), "djstripe_subscriber": str(user.pk)},
    }
    # The same key with other values is refused by Stripe, so what a user can change is part of it.
    details = hashlib.sha256(f"{user.email}\n{user.name}".encode()).hexdigest()[:16]
    # And within a day it would answer with a customer that was deleted since.
    return gateway.create_customer(values=values, idempotency_key=f"customer:{user.pk}:{details}{instead_of}")


def replace_deleted(*, customer_id: str, now: datetime) -> Customer | None:
    """This will give a user whose customer was deleted at Stripe by hand a new one: nobody could pay by the old one.
    Earlier payments are still found by it.

    None when it is not deleted, was replaced before, is nobody's, or was deleted because the user was erased.

    :raises gateway.StripeObjectMissing: Stripe never had it: our key is of another account.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    known = Customer.objects.filter(pk=customer_id).select_related("user").first()
    if known is None or users_selectors.is_erased(user_id=known.user_id):
        return None
    if not gateway.retrieve_customer(customer_id).get("deleted"):
        return None
    created = create_customer(known.user, instead_of=f":{customer_id}")
    with transaction.atomic():
        locked = Customer.objects.select_for_update().filter(pk=customer_id).first()
        if locked is None:
            return None
        # The row is the lock of all the user's subscriptions, so it stays, under another id, with those of the old one.
        former_ids = [*locked.former_ids, customer_id]
        Customer.objects.filter(pk=customer_id).update(id=created["id"], former_ids=former_ids)
        Subscription.objects.filter(customer_id=customer_id).update(customer_id=created["id"])
    log.warning(
        "Customer deleted at Stripe by hand replaced", user_id=str(known.user_id), customer_id=created["id"],
        former_id=customer_id,
    )  # fmt: skip
    return Customer.objects.get(pk=created["id"])


def find_or_adopt_customer(*, customer_id: str, now: datetime) -> Customer | None:
    """This will return the customer with this id, taking over one that names a user of ours and whose row was lost.

    None when the customer is nobody of ours: another product may share the Stripe account.
    """
    known = selectors.find_customer(customer_id)
    if known is not None:
        return known
    fetched = gateway.retrieve_customer(customer_id)
    user = find_user(stripe_data.metadata(fetched).get(stripe_data.USER_ID, ""))
    if user is None or Customer.objects.filter(user=user).exists():
        return None
    customer, _ = Customer.objects.get_or_create(user=user, defaults={"id": customer_id, "created_at": now})
    return customer if customer.pk == customer_id else None


def find_user(user_id: str) -> User | None:
    """Return the user with this id, None for an unknown one or what is no id at all."""
    try:
        return User.objects.filter(pk=UUID(user_id)).first()
    except ValueError:
        return None
