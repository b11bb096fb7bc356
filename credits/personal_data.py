"""What is held of a person's credits. The ledger stays when they go, under an account that is nobody's."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from credits import selectors, services
from credits.models import Account, Adjustment, Grant, Hold, UsageDay
from credits.serializers.transactions import EntrySerializer
from smartspec import backoffice
from smartspec.exports import Row, pick
from smartspec.users.models import User


@backoffice.exporters(order=20)
def account(user: User, now: datetime) -> dict[str, Any] | None:
    names = ("available", "held", "debt", "plan", "anchor_at", "paid_until", "frozen_causes", "opened_at")
    return Account.objects.filter(pk=user.pk).values(*names).first()


@backoffice.exporters(order=21)
def transactions(user: User, now: datetime) -> Iterator[Row]:
    entries = selectors.iterate_transactions(filter=selectors.TransactionFilter(user.pk))
    return (EntrySerializer(entry).data for entry in entries)


@backoffice.exporters(order=22)
def lots(user: User, now: datetime) -> Iterator[Row]:
    grants = Grant.objects.filter(account_id=user.pk).order_by("number")
    return pick(grants, "number", "kind", "source", "credits", "remaining", "effective_at", "expires_at")


@backoffice.exporters(order=23)
def holds(user: User, now: datetime) -> Iterator[Row]:
    holds = Hold.objects.filter(account_id=user.pk).order_by("number")
    names = ("number", "operation", "model_id", "parameters", "credits", "captured", "refunded", "status")
    return pick(holds, *names, "reference_id", "created_at", "expires_at")


@backoffice.exporters(order=24)
def usage(user: User, now: datetime) -> Iterator[Row]:
    days = UsageDay.objects.filter(account_id=user.pk).order_by("day_date", "operation", "model_id")
    return pick(days, "day_date", "operation", "model_id", "captures", "credits")


@backoffice.exporters(order=25)
def corrections(user: User, now: datetime) -> Iterator[Row]:
    made = Adjustment.objects.filter(user=user).order_by("requested_at", "pk")
    return pick(made, "credits", "expires_at", "reason", "state", "requested_at", "decided_at", "entry_number")


@backoffice.erasers(order=10)
def close_account(user: User, now: datetime) -> None:
    """Let no worker spend from an account that is nobody's any more. Its rows name nobody, and stay."""
    services.close_account(account_id=user.pk, now=now)
