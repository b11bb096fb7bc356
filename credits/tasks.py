"""What the ledger does by itself: credits and holds end, allowances are given."""

from procrastinate.contrib.django import app

from credits import services
from smartspec import clock
from smartspec.jobs import BackOff
from smartspec.logs import get_logger

log = get_logger(__name__)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="credits.expire")
def expire_due(timestamp: int) -> None:
    """End the lots and holds that are due, in accounts that nobody touches."""
    expired = services.expire(now=clock.now())
    if expired.accounts:
        log.info("Credits swept", accounts=expired.accounts, lots=expired.lots, holds=expired.holds)


@app.periodic(cron="5 * * * *")
@app.task(queueing_lock="credits.give_due_allowances", retry=BackOff())
def give_due_allowances(timestamp: int) -> None:
    """Give the allowances whose time has come: Free's, and the months inside a paid year."""
    given = services.give_due_allowances(now=clock.now())
    if given:
        log.info("Allowances given", allowances=given)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="credits.count_days")
def count_days(timestamp: int) -> None:
    """Count what all accounts did today, every minute, for the figures of the back-office."""
    services.count_days(now=clock.now())


@app.periodic(cron="47 2 * * *")
@app.task(queueing_lock="credits.prove_ledger", retry=BackOff())
def prove_ledger(timestamp: int) -> None:
    """Recompute every account, every night; a fault is an error in the log and a mail to operators."""
    faults = services.prove_ledger(now=clock.now())
    if faults:
        log.error("The ledger does not add up", faults=faults)


@app.periodic(cron="17 * * * *")
@app.task(queueing_lock="credits.warn", retry=BackOff())
def warn(timestamp: int) -> None:
    """Tell by mail, every hour, whose credits are low or about to expire."""
    now = clock.now()
    low, expiring = services.warn_of_low_balances(now=now), services.warn_of_expiring_credits(now=now)
    if low or expiring:
        log.info("Warned of credits", low=low, expiring=expiring)
