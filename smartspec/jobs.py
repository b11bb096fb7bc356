"""The queue's jobs: when they are tried again, why they failed, and starting or ignoring them by hand."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from traceback import format_exception
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.utils import utcnow
from psycopg.errors import RaiseException

from smartspec import clock
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.models import JobFailure
from smartspec.users import services

log = get_logger(__name__)

CLEAR_ENDED = """
DELETE FROM procrastinate_jobs j WHERE j.status IN ('succeeded', 'cancelled', 'aborted')
   AND NOT EXISTS (SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.at >= %s)
"""
FORGET_FAILED_RUNS = "DELETE FROM procrastinate_jobs WHERE status = 'failed' AND task_name = %(task_name)s"
FIRST_RETRY_SECONDS = 5
LAST_RETRY_SECONDS = 3600
# About three days of trying: as long as Stripe itself goes on sending.
MAX_ATTEMPTS = 80


class UnknownJob(DomainError):
    code = "not_found"
    status = 404
    title = "Not Found"


class NothingToRetry(DomainError):
    """The job runs, is done, or was given up on purpose."""

    code = "nothing_to_retry"
    status = 409
    title = "Nothing to retry"


class NothingToIgnore(DomainError):
    """The job runs, is done, or has not failed yet."""

    code = "nothing_to_ignore"
    status = 409
    title = "Nothing to ignore"


class BackOff(BaseRetryStrategy):
    """Waits twice as long each time, up to an hour. Behind newer jobs: with the lock that the jobs of a customer share,
    one that keeps failing would otherwise hold up all that come after it.

    What runs every few minutes needs none: its next run does all that is due."""

    def __init__(self, *, priority: int = -1) -> None:
        self.priority = priority

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if job.attempts >= MAX_ATTEMPTS:
            return None
        wait_seconds = min(FIRST_RETRY_SECONDS * 2 ** min(job.attempts, 20), LAST_RETRY_SECONDS)
        return RetryDecision(retry_in={"seconds": wait_seconds}, priority=self.priority)


# --- Failures -----------------------------------------------------------------------------------------------------


def prepare(queue: App) -> None:
    """This will let every worker log with the job's id, note why jobs fail, and forget what was made up for
    (PROCRASTINATE_ON_APP_READY)."""
    queue.worker_defaults = {
        **queue.worker_defaults,
        "task_middleware": [note_failure],
        "worker_middleware": [name_in_log, forget_failed_runs],
    }


def note_failure(run: Callable[[], Any], context: JobContext, worker: Any = None) -> Any:
    """Run a job's task and, if it fails, keep why. The failure goes on to the queue, which decides whether to retry."""
    try:
        return run()
    except Exception as error:
        keep_failure(job_id=context.job.id or 0, error=error, now=clock.now())
        raise


async def name_in_log(run: Callable[[], Awaitable[Any]], context: JobContext, worker: Any = None) -> Any:
    """Run a job; every line that it logs has its id."""
    with structlog.contextvars.bound_contextvars(job_id=context.job.id):
        return await run()


async def forget_failed_runs(run: Callable[[], Awaitable[Any]], context: JobContext, worker: Any = None) -> Any:
    """Run a job and, if it is a run of a periodic task that succeeds, take those off the queue that were given up.

    Every run does all that is due, so there is nothing left for a person to start again.
    """
    result = await run()
    if context.job.task_name in {task_name for task_name, _ in context.app.periodic_registry.periodic_tasks}:
        await context.app.connector.execute_query_async(FORGET_FAILED_RUNS, task_name=context.job.task_name)
    return result


def keep_failure(*, job_id: int, error: BaseException, now: datetime) -> None:
    """This will keep why a job failed, in place of why it failed before."""
    values = {
        "error": f"{type(error).__name__}: {error}",
        "traceback": "".join(format_exception(error)),
        "failed_at": now,
    }
    kept, is_new = JobFailure.objects.get_or_create(pk=job_id, defaults=values | {"attempts": 1})
    if not is_new:
        JobFailure.objects.filter(pk=kept.pk).update(**values, attempts=F("attempts") + 1)


def clear_old(*, now: datetime) -> dict[str, int]:
    """This will delete what is as old as JOBS_KEPT_DAYS: jobs that ended, and why jobs failed. Returns how many.

    A job that has given up stays until somebody has seen to it.
    """
    before = now - timedelta(days=settings.JOBS_KEPT_DAYS)
    failures, _ = JobFailure.objects.filter(failed_at__lt=before).delete()
    with connection.cursor() as cursor:
        cursor.execute(CLEAR_ENDED, [before])
        return {"failures": failures, "jobs": cursor.rowcount}


def take_out(*, job_id: int, is_kept: bool = False) -> None:
    """This will take a job that waits, or was given up, off the queue; one that runs just now runs to its end. A kept
    one is still seen until it is as old as JOBS_KEPT_DAYS."""
    if ProcrastinateJob.objects.filter(pk=job_id, status="failed").exists():
        app.job_manager.retry_job_by_id(job_id, retry_at=utcnow())  # only what waits can be taken out
    app.job_manager.cancel_job_by_id(job_id, delete_job=not is_kept)


# --- After a kill -------------------------------------------------------------------------------------------------


async def start_again(manager: JobManager, stalled: Iterable[Job]) -> None:
    """This will start jobs again that were left in the middle. Where the same job waits once more (the next run of a
    periodic task), that one will do. What another rescuer has put back, or a slow worker finished, stays as it is."""
    for job in stalled:
        try:
            await _start_again(manager, job)
        except ConnectorException as error:
            if not isinstance(error.__cause__, RaiseException):  # the queue's word for: not in that state any more
                raise
            log.info("Stalled job was seen to already", job_id=job.id, task=job.task_name)


async def _start_again(manager: JobManager, job: Job) -> None:
    try:
        await manager.retry_job(job)
    except UniqueViolation:  # one of its queueing lock waits already, and will do what this one has left
        await manager.finish_job(job, Status.ABORTED, delete_job=True)
        log.warning("Stalled job left to the next one", job_id=job.id, task=job.task_name)
    else:
        log.warning("Stalled job started again", job_id=job.id, task=job.task_name)


# --- By hand ------------------------------------------------------------------------------------------------------


def retry_job(*, staff: services.Staff, job_id: int, now: datetime) -> None:
    """This will start a job again that was given up, or one now that would be tried again later.

    Jobs may run any number of times, so that nothing is done twice.

    :raises services.NotPermitted, services.ReasonMissing: see `services.record_action`.
    :raises UnknownJob: there is none.
    :raises NothingToRetry: it runs, is done, or was cancelled.
    """
    services.require_right(staff, "smartspec.retry_job")
    with transaction.atomic():
        job = lock_job(job_id)
        if job.status == "failed":
            app.job_manager.retry_job_by_id(job_id, retry_at=utcnow())  # the queue goes by the real time
        elif job.status == "todo" and job.scheduled_at is not None:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE id = %s", [job_id])
        else:
            raise NothingToRetry("Only what was given up, or waits for another attempt, can be started again.")
        record(staff, "retry_job", job, "todo", now)


def ignore_job(*, staff: services.Staff, job_id: int, now: datetime) -> None:
    """This will decide that a job that failed is not tried again, nor shown as needing a person.

    :raises services.NotPermitted, services.ReasonMissing: see `services.record_action`.
    :raises UnknownJob: there is none.
    :raises NothingToIgnore: it runs, is done, or has not failed yet.
    """
    services.require_right(staff, "smartspec.ignore_job")
    with transaction.atomic():
        job = lock_job(job_id)
        if job.status != "failed" and not (job.status == "todo" and job.attempts):
            raise NothingToIgnore("Only what was given up, or waits for another attempt, can be ignored.")
        take_out(job_id=job_id, is_kept=True)
        record(staff, "ignore_job", job, "cancelled", now)


def lock_job(job_id: int) -> ProcrastinateJob:
    """:raises UnknownJob: there is none."""
    job = ProcrastinateJob.objects.select_for_update().filter(pk=job_id).first()
    if job is None:
        raise UnknownJob("This job is done, or never was.")
    return job


def record(staff: services.Staff, action: str, job: ProcrastinateJob, status: str, now: datetime) -> None:
    services.record_action(
        staff=staff,
        action=action,
        reference_type="job",
        reference_id=str(job.pk),
        before={"status": job.status, "attempts": job.attempts, "task": job.task_name},
        after={"status": status},
        now=now,
    )
