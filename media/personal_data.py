"""What is held of a person's files. What they cost stays when they go, as part of the books; it names nobody."""

from collections.abc import Iterator
from datetime import datetime

from media import services
from media.models import Asset, StorageDay, StorageEvent
from smartspec import backoffice
from smartspec.exports import Row, pick
from smartspec.users.models import User


@backoffice.exporters(order=50)
def files(user: User, now: datetime) -> Iterator[Row]:
    announced = Asset.objects.filter(user=user).order_by("number")
    names = ("id", "kind", "content_type", "filename", "key", "size_bytes", "reference_id", "status")
    return pick(announced, *names, "created_at", "stored_at", "ended_at")


@backoffice.exporters(order=51)
def storage_days(user: User, now: datetime) -> Iterator[Row]:
    days = StorageDay.objects.filter(user=user).order_by("day_date")
    return pick(days, "day_date", "byte_seconds", "credits", "paid_credits", "billed_at")


@backoffice.exporters(order=52)
def storage_events(user: User, now: datetime) -> Iterator[Row]:
    events = StorageEvent.objects.filter(user=user).order_by("happened_at", "pk")
    return pick(events, "kind", "unpaid_since", "arrears_credits", "happened_at")


@backoffice.erasers(order=30)
def delete_files(user: User, now: datetime) -> None:
    """Delete every file, and forget what they were called."""
    services.forget_files(user_id=user.pk, now=now)
