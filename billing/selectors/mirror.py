"""dj-stripe's copy of Stripe's objects."""

from collections.abc import Iterator
from itertools import chain
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import QuerySet
from djstripe import models as djstripe_models

from billing import stripe_data
from billing.models import Customer
from smartspec.paging import in_pages

OUR_OWN = (djstripe_models.Account, djstripe_models.AccountV2)


def mirrored_models(*fields: str) -> list[Any]:
    """Return dj-stripe's models that have these fields. Our own account is not among them: with it go all its rows."""
    return [
        model
        for model in apps.get_app_config("djstripe").get_models()
        if model not in OUR_OWN and set(fields) <= {field.name for field in model._meta.concrete_fields}
    ]


def iterate_mirrored(*, user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield what is copied of a user's customer and of all that belongs to it, secrets masked; each copy once."""
    customer = Customer.objects.filter(user_id=user_id).first()
    if customer is None:
        return
    told: set[tuple[Any, Any]] = set()
    for rows in chain.from_iterable(map(mirrored_of, customer.all_ids)):
        for copy in in_pages(rows.values_list("pk", "stripe_data", named=True)):
            if (rows.model, copy.pk) not in told:
                told.add((rows.model, copy.pk))
                yield stripe_data.without_secrets(copy.stripe_data)


def mirrored_of(customer_id: str) -> Iterator[QuerySet[Any]]:
    """Yield the copies of a customer, of what belongs to it, and of what belongs to that; some of them twice."""
    yield djstripe_models.Customer.objects.filter(id=customer_id)
    for model in mirrored_models("stripe_data"):
        for way in ways_to_customer(model):
            yield model._default_manager.filter(**{f"{way}__id": customer_id})
    yield from used_cards(customer_id)


def ways_to_customer(model: Any) -> list[str]:
    """Return by which relations a copy leads to its customer: by its own, or by those of what it belongs to."""
    fields = {field.name: field for field in model._meta.concrete_fields}
    if "customer" in fields:
        return ["customer"]
    belongs_to = {name: field.related_model for name, field in fields.items() if field.is_relation}
    return [f"{name}__customer" for name, owner in belongs_to.items() if owner in mirrored_models("customer")]


def used_cards(customer_id: str) -> Iterator[QuerySet[Any]]:
    """Yield the cards that a customer paid by. One that was taken off, or was never kept, belongs to no customer."""
    for model in mirrored_models("customer", "payment_method"):
        used = model._default_manager.filter(customer__id=customer_id).values("payment_method")
        yield djstripe_models.PaymentMethod.objects.filter(id__in=used)
