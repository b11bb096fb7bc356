"""What the ground itself contributes: database, queue, worker, disk."""

import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from smartspec import watching
from smartspec.users import selectors as users_selectors
from smartspec.watching import Condition, Gauge, selectors

KEYS_LAST_FOR = timedelta(days=14)
MAIL_LEAVES_WITHIN = timedelta(hours=1)
PEOPLE_WITHOUT_MAIL = 3
QUEUE_AGE_SECONDS = 300
WORKER_SILENT_SECONDS = 60
DISK_FREE_SHARE = 0.1
ARCHIVED_WITHIN_SECONDS = 300  # in addition to archive_timeout
RESTART_WORKER = "Start the worker: manage.py procrastinate worker (systemctl restart smartspec-worker)."

# The queue's times are the database's: in the local mode our own clock may have been moved forward.
QUEUES = """
SELECT j.queue_name, count(*),
       coalesce(extract(epoch FROM now() - min(coalesce(j.scheduled_at,
           (SELECT min(e.at) FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'deferred')))), 0)
  FROM procrastinate_jobs j
 WHERE j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now())
 GROUP BY j.queue_name ORDER BY j.queue_name
"""
WORKER = "SELECT extract(epoch FROM now() - max(last_heartbeat)) FROM procrastinate_workers"
FAILED = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'"
# A command that hangs, on a disk of another machine that is gone, fails never; but a worker writes every minute.
ARCHIVER = """
SELECT current_setting('archive_mode') <> 'off', last_archived_time,
       coalesce(last_failed_time > last_archived_time, last_failed_time IS NOT NULL),
       timeout.setting::int > 0 AND extract(epoch FROM now() - greatest(last_archived_time, pg_postmaster_start_time()))
           > timeout.setting::int + %s
  FROM pg_stat_archiver, pg_settings timeout WHERE timeout.name = 'archive_timeout'
"""
# docs/postgres/base-backup, which knows neither our database nor our tables, notes it where every role can read it, and
# only a superuser write it.
BASE_COPY = """
SELECT current_setting('archive_mode') <> 'off',
       substring(shobj_description(oid, 'pg_tablespace') FROM '^base-backup (\\w+)$')::timestamptz
  FROM pg_tablespace WHERE spcname = 'pg_default'
"""


@watching.condition
def migrations(now: datetime) -> Condition:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    detail = f"{missing} not applied" if missing else "all applied"
    return Condition("migrations", holds=not missing, detail=detail, remedy="manage.py migrate")


@watching.condition
def settings_checked(now: datetime) -> Condition:
    found = checks.run_checks(include_deployment_checks=settings.PRODUCTION)
    serious = [message for message in found if message.is_serious(checks.WARNING) and not message.is_silenced()]
    detail = f"{serious[0].id}: {serious[0].msg}" if serious else "nothing to say"
    remedy = serious[0].hint or "manage.py check --deploy" if serious else ""
    return Condition("settings_checked", holds=not serious, detail=detail, remedy=remedy)


@watching.condition
def mail_leaves(now: datetime) -> Condition:
    """One mailbox that refuses is its owner's affair; those of several people are ours."""
    people = users_selectors.count_people_without_mail(written_before=now - MAIL_LEAVES_WITHIN)
    return Condition(
        "mail_leaves",
        holds=people < PEOPLE_WITHOUT_MAIL,
        detail=f"mail to {people} people has waited for more than an hour" if people else "it all leaves",
        remedy="Read the log's `Mail waits`; does the mail server accept SMARTSPEC_FROM_EMAIL?",
    )


@watching.condition
def queue_age(now: datetime) -> Condition:
    waiting = _read_queues()
    holds = all(age <= QUEUE_AGE_SECONDS for _, _, age in waiting)
    due = "; ".join(f"{name}: {count} due, the oldest for {age:.0f} s" for name, count, age in waiting)
    return Condition("queue_age", holds=holds, detail=due or "no job is due", remedy=RESTART_WORKER)


@watching.condition
def worker(now: datetime) -> Condition:
    with connection.cursor() as cursor:
        cursor.execute(WORKER)
        silent = cursor.fetchone()[0]
    holds = silent is not None and silent <= WORKER_SILENT_SECONDS
    detail = "no worker runs" if silent is None else f"last heard of {silent:.0f} s ago"
    return Condition("worker", holds=holds, detail=detail, remedy=RESTART_WORKER)


@watching.condition
def failed_jobs(now: datetime) -> Condition:
    with connection.cursor() as cursor:
        cursor.execute(FAILED)
        failed = cursor.fetchone()[0]
    return Condition(
        "failed_jobs",
        holds=not failed,
        detail=f"given up: {failed}" if failed else "none has given up",
        remedy="Open the queue's jobs in the back-office, read the error, start them again.",
    )


@watching.condition
def service_keys(now: datetime) -> Condition:
    """Workers whose key has ended stand still."""
    ending = users_selectors.list_ending_keys(within=KEYS_LAST_FOR, now=now).filter(user=None)
    names = ", ".join(f"{key.name} ({key.prefix}) on {key.expires_at:%Y-%m-%d}" for key in ending)
    return Condition(
        "service_keys",
        holds=not names,
        detail=f"ending: {names}" if names else "none is about to end",
        remedy="manage.py create_service_key, let the service use it, manage.py revoke_service_key with this prefix.",
    )


@watching.condition
def disk(now: datetime) -> Condition:
    usage = shutil.disk_usage(_existing(Path(settings.DATA_DIR)))
    share = usage.free / usage.total
    return Condition(
        "disk",
        holds=share >= DISK_FREE_SHARE,
        detail=f"{usage.free / 1e9:.1f} GB free, {share:.0%}",
        remedy="Free or add space where SMARTSPEC_DATA_DIR stands; see “Disk low” in docs/operations.md.",
    )


@watching.condition
def backed_up(now: datetime) -> Condition:
    """Taken by a timer of the machine, which tells nobody that it does not run."""
    if not (settings.PRODUCTION and settings.BACKUP_WITHIN_HOURS):
        return Condition("backed_up", holds=True, detail="nobody waits for a backup")
    return selectors.proof(
        name="backed_up",
        now=now,
        within=timedelta(hours=settings.BACKUP_WITHIN_HOURS),
        remedy="manage.py backup, which says what fails; does its timer run every night?",
        is_due_at_once=True,
    )


@watching.condition
def wal_archived(now: datetime) -> Condition:
    with connection.cursor() as cursor:
        cursor.execute(ARCHIVER, [ARCHIVED_WITHIN_SECONDS])
        is_on, archived_at, fails, is_late = cursor.fetchone()
    detail = f"last at {archived_at:%Y-%m-%d %H:%M:%S} UTC" if archived_at else "never yet"
    if fails or is_late:
        detail = f"{'it fails' if fails else 'nothing comes'}; {detail}"
    return Condition(
        "wal_archived",
        holds=not is_on or not (fails or is_late),
        detail=detail if is_on else "not asked for",
        remedy="Is the archive's disk mounted, inside Postgres's container too, and not full? Postgres's log says why;"
        " meanwhile its own disk fills.",
    )


@watching.condition
def base_copied(now: datetime) -> Condition:
    """Without a copy of the server the archived log leads nowhere; it is made by a timer, as backups are."""
    with connection.cursor() as cursor:
        cursor.execute(BASE_COPY)
        is_on, copied_at = cursor.fetchone()
    within = timedelta(hours=settings.BASE_COPY_WITHIN_HOURS)
    if not is_on or not within:
        return Condition("base_copied", holds=True, detail="not asked for")
    return Condition(
        "base_copied",
        holds=copied_at is not None and now - copied_at <= within,
        detail=f"last at {copied_at:%Y-%m-%d %H:%M:%S} UTC" if copied_at else "never yet",
        remedy="docs/postgres/base-backup, as Postgres's user, which says what fails; does its timer run every night?",
    )


@watching.gauges
def queue(now: datetime) -> Iterable[Gauge]:
    waiting = _read_queues()
    yield Gauge(
        "smartspec_queue_jobs", "Jobs that are due.", {(name,): count for name, count, _ in waiting}, ("queue",)
    )
    yield Gauge(
        "smartspec_queue_age_seconds",
        "How long the oldest due job has waited.",
        {(name,): age for name, _, age in waiting},
        ("queue",),
    )


def _read_queues() -> list[tuple[str, int, float]]:
    with connection.cursor() as cursor:
        cursor.execute(QUEUES)
        return [(name, count, float(age)) for name, count, age in cursor.fetchall()]


def _existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())
