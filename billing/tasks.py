"""What the queue does with stored webhooks: the mirror (dj-stripe's rows) and the effect (credits), independently."""

import structlog
from procrastinate.contrib.django import app

from billing import handlers, services
from smartspec import clock
from smartspec.jobs import BackOff
from smartspec.logs import get_logger

log = get_logger(__name__)


@app.task(queue="webhooks", retry=BackOff())
def apply_event(event_id: str, event_type: str, object_id: str, trigger_id: int | None = None) -> None:
    """Do what an event calls for, and note what came of it beside the stored webhook."""
    with structlog.contextvars.bound_contextvars(event_id=event_id, event_type=event_type):
        now = clock.now()
        try:
            outcome = handlers.HANDLERS[event_type](object_id, now)
        except Exception:
            log.exception("Stripe webhook failed", object_id=object_id)
            raise
        services.note_applied(trigger_id=trigger_id, outcome=outcome, now=now)


@app.task(queue="mirror", retry=BackOff(priority=services.MIRROR_PRIORITY - 1))
def mirror_event(trigger_id: int) -> None:
    """Bring dj-stripe's rows up to date."""
    services.mirror_event(trigger_id=trigger_id)


# A worker that starts does what fell due in the ten minutes before: so this is also the check at start, for which
# no server waits.
@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="billing.compare_prices", retry=BackOff())
def compare_prices(timestamp: int) -> None:
    """Say in the log, from the start on, where a price at Stripe is not what our plan costs."""
    for difference in services.compare_prices():
        log.error("Price differs from the plan's", difference=difference)


@app.periodic(cron="23 4 * * *")
@app.task(queueing_lock="billing.reconcile", retry=BackOff())
def reconcile(timestamp: int) -> None:
    """Compare our books with Stripe's every day, and put right what can be; what remains is an error in the log."""
    progress = services.reconcile(now=clock.now(), is_repair=True)
    log.info("Reconciled", checked=progress.checked, repaired=progress.repaired, remaining=progress.remaining)


@app.periodic(cron="8 * * * *")
@app.task(queueing_lock="billing.settle_later_allowances", retry=BackOff())
def settle_later_allowances(timestamp: int) -> None:
    """Take their share, every hour, from the months that a partly refunded year has given since (at minute 5)."""
    services.settle_later_allowances(now=clock.now())


@app.periodic(cron="38 * * * *")
@app.task(queueing_lock="billing.put_back_changes", retry=BackOff())
def put_back_changes(timestamp: int) -> None:
    """Put back, every hour, what gave way to a change of plan that was broken off, or never confirmed."""
    services.put_back_changes(now=clock.now())


@app.periodic(cron="53 * * * *")
@app.task(queueing_lock="billing.clear_old", retry=BackOff())
def clear_old(timestamp: int) -> None:
    """Delete, every hour, what webhooks left behind and nobody needs any more."""
    log.info("Old webhook rows cleared", **services.clear_old_webhooks(now=clock.now()))


@app.periodic(cron="11 6 * * *")
@app.task(queueing_lock="billing.warn_of_expiring_cards", retry=BackOff())
def warn_of_expiring_cards(timestamp: int) -> None:
    """Tell by mail, every day, whose card expires before it has to pay the next renewal."""
    told = services.warn_of_expiring_cards(now=clock.now())
    if told:
        log.info("Warned of expiring cards", people=told)
