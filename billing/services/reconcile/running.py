"""A run: every step after the other, each difference told, repaired and looked at again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import IntegrityError

from billing import gateway
from billing.models import ReconcileRun
from billing.services.reconcile.checkouts import check_sessions
from billing.services.reconcile.comparing import Checks, Difference, Finding, Progress, Window
from billing.services.reconcile.customers import check_customers, check_erasures
from billing.services.reconcile.disputes import check_disputes
from billing.services.reconcile.invoices import check_invoices, check_open_invoices, check_void_invoices
from billing.services.reconcile.our_books import check_our_payments
from billing.services.reconcile.refunds import check_refunds
from billing.services.reconcile.subscriptions import check_subscriptions
from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

OVERLAP = timedelta(days=3)  # events may be this late, and clocks differ
KEPT_DIFFERENCES = 100
BEGINNING = datetime(2011, 1, 1, tzinfo=UTC)  # no account at Stripe is older

STEPS: dict[str, Callable[[Window, datetime], Checks]] = {
    "customers": check_customers,
    "erasures": check_erasures,
    "checkouts": check_sessions,
    "subscriptions": check_subscriptions,
    "invoices": check_invoices,
    "void invoices": check_void_invoices,
    "open invoices": check_open_invoices,
    "refunds": check_refunds,
    "disputes": check_disputes,
    "our books": check_our_payments,
}


def reconcile(
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    user_id: UUID | None = None,
    is_repair: bool = False,
    on_difference: Callable[[Difference, bool], object] = lambda difference, is_repaired: None,
    on_progress: Callable[[Progress], object] = lambda progress: None,
) -> Progress:
    """This will compare our books with Stripe's and, with `is_repair`, put right what differs.

    Without `since` it begins where the last clean run over everybody looked until, less 3 days; the first begins with
    the account. `on_difference` hears of every difference, and whether it was repaired.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    is_whole = since is None and until is None and user_id is None
    window = Window(
        since=since or (find_since() if user_id is None else None),
        until=until or now,
        user_id=user_id,
    )
    run = (
        ReconcileRun.objects.create(started_at=now, since_at=window.since or BEGINNING, until_at=window.until)
        if is_whole
        else None
    )
    progress = Progress()
    kept: list[dict[str, str]] = []
    for step, check in STEPS.items():
        progress.step = step
        for finding in check(window, now):
            progress.checked += 1
            on_progress(progress)
            if finding is None:
                continue
            is_repaired = is_repair and put_right(finding)
            progress.repaired += is_repaired
            progress.remaining += not is_repaired
            if not is_repaired and len(kept) < KEPT_DIFFERENCES:
                kept.append(vars(finding.difference))
            (log.warning if is_repaired else log.error)(
                "Books differ", repaired=is_repaired, **vars(finding.difference)
            )
            on_difference(finding.difference, is_repaired)
    if run is not None:
        run.checked, run.repaired, run.remaining = progress.checked, progress.repaired, progress.remaining
        run.finished_at, run.differences = now, kept
        run.save()
    return progress


def find_since() -> datetime | None:
    """Return where a run over everybody begins, None for the first."""
    last = ReconcileRun.objects.filter(finished_at__isnull=False, remaining=0).order_by("-until_at").first()
    return None if last is None else last.until_at - OVERLAP


def put_right(finding: Finding) -> bool:
    """Repair and look again; tell whether the difference is gone."""
    if finding.repair is None:
        return False
    try:
        finding.repair()
    except gateway.StripeUnavailable:
        raise
    except (DomainError, IntegrityError) as error:  # what cannot be put right keeps nothing else from it
        reason = str(error).splitlines()[0]  # the database tells the whole row after it
        log.error("Could not be repaired", object_id=finding.difference.object_id, reason=reason)
        return False
    return finding.look() is None
