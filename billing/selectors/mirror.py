"""dj-stripe's copy of Stripe's objects."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.apps import apps

from billing import stripe_data
from billing.models import Customer


def iterate_mirrored(*, user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield what is copied of a user's customer and of all that belongs to it, secrets masked."""
    customer = Customer.objects.filter(user_id=user_id).first()
    if customer is None:
        return
    for model in apps.get_app_config("djstripe").get_models():
        names = {field.name for field in model._meta.get_fields()}
        if model._meta.model_name == "customer":
            rows = model._default_manager.filter(id=customer.pk)
        elif {"customer", "stripe_data"} <= names:
            rows = model._default_manager.filter(customer__id=customer.pk)
        else:
            continue
        for data in rows.order_by("pk").values_list("stripe_data", flat=True).iterator(chunk_size=100):
            yield stripe_data.without_secrets(data)
