"""Idempotency-Keys: each has a row with what it asked for, which the same key finds again instead of making another."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from django.db import IntegrityError, transaction

from billing import gateway
from billing.models import PlanChange, Purchase, SubscriptionCheckout
from smartspec.errors import DomainError
from smartspec.users.models import User

Keyed = TypeVar("Keyed", Purchase, SubscriptionCheckout, PlanChange)


class IdempotencyConflict(DomainError):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_conflict"
    status = 409
    title = "Idempotency conflict"


def hash_request(request: dict[str, Any] | list[Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def find_by_key(model: type[Keyed], user: User, idempotency_key: str | None, request_hash: str) -> Keyed | None:
    """Return the row that this key has made.

    :raises IdempotencyConflict: it was made for another body.
    """
    if idempotency_key is None:
        return None
    found = model._default_manager.filter(user=user, idempotency_key=idempotency_key).first()
    if found is not None and found.request_hash != request_hash:
        raise IdempotencyConflict("This Idempotency-Key was used for another request. Use a new one.")
    return found


def claim_key(row: Keyed) -> Keyed:
    """Insert the row; when another request with the same key came first, return that one's.

    :raises IdempotencyConflict: that one asked for something else.
    """
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        if row.idempotency_key is None:
            raise
        found = find_by_key(type(row), row.user, row.idempotency_key, row.request_hash)
        return found or claim_key(row)  # none: Stripe refused that one meanwhile, and the key is free again
    return row


@contextmanager
def key_back_on_refusal(change: PlanChange) -> Iterator[None]:
    """Only effects are remembered: what is refused gives its key back, which may succeed later. What has failed keeps
    it: nobody knows whether Stripe has done it, and the same key carries it on."""
    try:
        yield
    except DomainError as error:
        if isinstance(error, gateway.StripeRefused) or error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            PlanChange.objects.filter(pk=change.pk, answer__isnull=True).update(idempotency_key=None)
        raise
