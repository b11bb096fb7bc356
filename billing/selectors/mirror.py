"""dj-stripe's copy of Stripe's objects."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.apps import apps
from djstripe import models as djstripe_models

from billing import stripe_data
from billing.models import Customer

OUR_OWN = (djstripe_models.Account, djstripe_models.AccountV2)


def mirrored_models(*fields: str) -> list[Any]:
    """Return dj-stripe's models that have these fields. Our own account is not among them: with it go all its rows."""
    return [
        model
        for model in apps.get_app_config("djstripe").get_models()
        if model not in OUR_OWN and set(fields) <= {field.name for field in model._meta.concrete_fields}
    ]


def iterate_mirrored(*, user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield what is copied of a user's customer and of all that belongs to it, secrets masked."""
    customer = Customer.objects.filter(user_id=user_id).first()
    if customer is None:
        return
    own = [djstripe_models.Customer.objects.filter(id=customer.pk)]
    own += [
        model._default_manager.filter(customer__id=customer.pk) for model in mirrored_models("customer", "stripe_data")
    ]
    for rows in own:
        for data in rows.order_by("pk").values_list("stripe_data", flat=True).iterator(chunk_size=100):
            yield stripe_data.without_secrets(data)
