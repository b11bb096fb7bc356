"""What the queue does for itself."""

from procrastinate import JobContext
from procrastinate.contrib.django import app

from smartspec import clock, jobs
from smartspec.logs import get_logger

log = get_logger(__name__)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="smartspec.rescue_stalled_jobs", pass_context=True)
async def rescue_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Start the jobs again whose worker was killed in the middle: they hold their lock, and nobody else touches them.

    A worker counts as killed when it has not been heard of for 30 seconds. Jobs may therefore run twice, and are
    written so that this changes nothing.
    """
    manager = context.app.job_manager
    await jobs.start_again(manager, await manager.get_stalled_jobs())


@app.periodic(cron="37 2 * * *")
@app.task(
    queueing_lock="smartspec.clear_old",
    retry=jobs.BackOff(),
    pass_context=False,
    aliases=["smartspec.tasks.clear_failures"],  # what it was called: a job from before an upgrade still runs
)
def clear_old(timestamp: int) -> None:
    """Delete, every day, jobs that ended long ago, and forget why jobs failed."""
    log.info("Old jobs cleared", **jobs.clear_old(now=clock.now()))
