"""What media does by itself: bills, collects, steps on with the unpaid, sweeps."""

from procrastinate.contrib.django import app

from credits import services as credits_services
from media import services
from smartspec import clock
from smartspec.jobs import BackOff
from smartspec.logs import get_logger

log = get_logger(__name__)

REPAIRED_A_NIGHT = 100  # missing files, and files that belong to nobody, each


@app.periodic(cron="11 * * * *")
@app.task(queueing_lock="media.bill_storage", retry=BackOff())
def bill_storage(timestamp: int) -> None:
    """Bill the days that are over. Every hour, so that a pause is caught up with soon."""
    bills = services.bill_storage(now=clock.now())
    if bills.accounts:
        log.info("Storage billed", accounts=bills.accounts, days=bills.days, credits=str(bills.credits))
    if bills.failed:
        raise credits_services.AccountsFailed(
            f"The storage of {bills.failed} accounts was not billed; the log names them."
        )


@app.periodic(cron="16 * * * *")
@app.task(queueing_lock="media.climb_ladder", retry=BackOff())
def climb_ladder(timestamp: int) -> None:
    """Take the next step with the unpaid whose time has come. Every hour, as all of the ladder."""
    steps = services.climb_ladder(now=clock.now())
    if steps:
        log.info("Storage ladder climbed", steps=steps)


@app.periodic(cron="21 * * * *")
@app.task(queueing_lock="media.remind_unpaid", retry=BackOff())
def remind_unpaid(timestamp: int) -> None:
    """Send the mails of the ladder to those who were deactivated when their step came, and are back."""
    services.remind_unpaid(now=clock.now())


@app.periodic(cron="26 * * * *")
@app.task(queueing_lock="media.delete_unpaid", retry=BackOff())
def delete_unpaid(timestamp: int) -> None:
    """Delete the files of the unpaid whose ladder has come to its end."""
    files = services.delete_unpaid(now=clock.now())
    if files:
        log.info("Unpaid files deleted", files=files)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="media.collect_arrears")
def collect_arrears(timestamp: int) -> None:
    """Let the next credits pay what storage owes, within a minute."""
    services.collect_arrears(now=clock.now())


@app.periodic(cron="37 3 * * *")
@app.task(queueing_lock="media.reconcile", retry=BackOff())
def reconcile(timestamp: int) -> None:
    """Compare the bucket with the table every day, and put right what can be; what remains is told to operators."""
    try:
        progress = services.reconcile_media(now=clock.now(), is_repair=True, limit=REPAIRED_A_NIGHT)
    except services.NothingInCommon as error:  # nothing that trying again would change
        log.error("Media not compared", error=error.detail)
        return
    if progress.remaining:
        log.error("Media differ; run manage.py reconcile_media", remaining=progress.remaining)
    log.info("Media compared", objects=progress.objects, assets=progress.assets, repaired=progress.repaired)


@app.periodic(cron="*/5 * * * *")
@app.task(queueing_lock="media.sweep")
def sweep(timestamp: int) -> None:
    """Give up unfinished uploads, and let deleted files leave the quota once nothing can bring them back."""
    swept = services.sweep(now=clock.now())
    if swept.expired or swept.cleaned or swept.kept:
        log.info("Media swept", expired=swept.expired, cleaned=swept.cleaned, kept=swept.kept)
    if swept.failed:
        raise credits_services.AccountsFailed(
            f"The files of {len(swept.failed)} accounts were not swept; the log names them."
        )
