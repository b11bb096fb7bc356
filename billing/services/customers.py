"""Who a user is at Stripe."""

import hashlib
from datetime import datetime
from uuid import UUID

from billing import gateway, stripe_data
from billing.models import Customer
from smartspec.users.models import User


def ensure_customer(*, user: User, now: datetime) -> Customer:
    """This will return the user's customer at Stripe, made on first use. Two callers at once get the same one.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    known = Customer.objects.filter(user=user).first()
    if known is not None:
        return known
    # dj-stripe links its mirror of the customer to the user by this metadata key.
    values = {
        "email": user.email,
        "name": user.name,
        "metadata": {stripe_data.USER_ID: str(user.pk), "djstripe_subscriber": str(user.pk)},
    }
    # The same key with other values is refused by Stripe, so what a user can change is part of it.
    details = hashlib.sha256(f"{user.email}\n{user.name}".encode()).hexdigest()[:16]
    created = gateway.create_customer(values=values, idempotency_key=f"customer:{user.pk}:{details}")
    customer, _ = Customer.objects.get_or_create(user=user, defaults={"id": created["id"], "created_at": now})
    return customer


def find_or_adopt_customer(*, customer_id: str, now: datetime) -> Customer | None:
    """This will return the customer with this id, taking over one that names a user of ours and whose row was lost.

    None when the customer is nobody of ours: another product may share the Stripe account.
    """
    known = Customer.objects.filter(pk=customer_id).first()
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
