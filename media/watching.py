"""What operators are told of the bucket, and of storage that nobody charged."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings

from media import selectors
from media.storage import check_ready
from smartspec import watching
from smartspec.errors import DomainError
from smartspec.watching import Condition, Gauge
from smartspec.watching import selectors as watching_selectors

RECONCILED_WITHIN = timedelta(days=2)


@watching.condition
def bucket(now: datetime) -> Condition:
    """Files can be stored and read."""
    name = settings.CLOUDFLARE_R2_BUCKET_NAME or "none"
    try:
        check_ready()
    except DomainError as error:
        remedy = "Check the CLOUDFLARE_R2_* variables, and https://www.cloudflarestatus.com."
        return Condition("bucket", holds=False, detail=f"{name}: {error.code}", remedy=remedy)
    return Condition("bucket", holds=True, detail=f"{name} answers")


@watching.condition
def storage_billed(now: datetime) -> Condition:
    """Yesterday's storage is charged in the first hour of the day; a day without is a sign."""
    late = next(selectors.iterate_accounts_to_bill(until=now.astimezone(UTC).date() - timedelta(days=1)), None)
    detail = "every day that is over is charged" if late is None else f"days of account {late.user_id} are not charged"
    return Condition(
        "storage_billed",
        holds=late is None,
        detail=detail,
        remedy="See that the worker runs, or manage.py bill_storage, which says what fails.",
    )


@watching.condition
def media_reconciled(now: datetime) -> Condition:
    """What the nightly comparison of bucket and table leaves is for a person to see."""
    return watching_selectors.proof(
        name="media_reconciled",
        now=now,
        within=RECONCILED_WITHIN,
        remedy="manage.py reconcile_media names what differs; with --repair it puts that right.",
    )


@watching.gauges
def arrears(now: datetime) -> Iterable[Gauge]:
    yield Gauge(
        "smartspec_storage_unpaid_accounts",
        "Accounts that owe for storage.",
        {(): selectors.count_unpaid_accounts()},
    )
    yield Gauge(
        "smartspec_storage_unpaid_credits",
        "What they owe.",
        {(): float(selectors.sum_unpaid_credits())},
    )
