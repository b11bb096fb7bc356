"""Jobs of the queue: why they failed, and starting them again by hand."""

from datetime import timedelta
from typing import Any

import pytest
from attr import evolve
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test import Client
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.models import ProcrastinateJob

from smartspec import clock, jobs
from smartspec.models import JobFailure
from smartspec.testing import make_user
from smartspec.users import services
from smartspec.users.models import StaffAction, User

pytestmark = pytest.mark.django_db

LIST = "/admin/procrastinate/procrastinatejob/"
WHY = {"reason": "other", "note": "The disk is empty again."}


def agent_with(*rights: str) -> User:
    user: User = make_user("agent@smartspec.test", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def job_id() -> int:
    job_id: int = queue.configure_task("some.task", queue="default", allow_unknown=True).defer(number=1)
    return job_id


def set_status(job_id: int, status: str, **columns: Any) -> None:
    names = "".join(f", {name} = %s" for name in columns)
    connection.cursor().execute(
        f"UPDATE procrastinate_jobs SET status = %s{names} WHERE id = %s", [status, *columns.values(), job_id]
    )


def fail(job_id: int, sentence: str = "The disk is full.") -> None:
    """Let a job fail as a worker runs it."""

    class Context:
        job = ProcrastinateJob.objects.get(pk=job_id)

    def run() -> None:
        raise OSError(sentence)

    with pytest.raises(OSError, match=sentence):
        jobs.note_failure(run, Context())  # type: ignore[arg-type]


class TestFailures:
    def test_are_kept_with_the_last_reason(self, job_id: int) -> None:
        fail(job_id, "The disk is slow.")
        fail(job_id, "The disk is full.")
        kept = JobFailure.objects.get()
        assert (kept.job_id, kept.attempts, kept.error) == (job_id, 2, "OSError: The disk is full.")
        assert "Traceback" in kept.traceback

    def test_are_noted_by_every_worker(self) -> None:
        assert queue.worker_defaults["task_middleware"] == [jobs.note_failure]
        assert queue.worker_defaults["worker_middleware"] == [jobs.name_in_log, jobs.forget_failed_runs]

    def test_are_forgotten_after_a_month(self, job_id: int) -> None:
        fail(job_id)
        now = clock.now()
        assert jobs.clear_old(now=now + timedelta(days=29))["failures"] == 0
        assert jobs.clear_old(now=now + timedelta(days=31))["failures"] == 1

    def test_are_read_on_the_jobs_page(self, job_id: int) -> None:
        fail(job_id)
        page = client_of(agent_with("view_procrastinatejob")).get(f"{LIST}{job_id}/change/").content.decode()
        for text in ("OSError: The disk is full.", "Traceback", "some.task"):
            assert text in page


class TestClearing:
    @pytest.mark.parametrize("status", ["succeeded", "cancelled", "aborted"])
    def test_takes_jobs_that_ended_long_ago(self, job_id: int, status: str, settings: Any) -> None:
        settings.JOBS_KEPT_DAYS = 7
        set_status(job_id, status)
        assert jobs.clear_old(now=clock.now() + timedelta(days=6))["jobs"] == 0
        assert jobs.clear_old(now=clock.now() + timedelta(days=8))["jobs"] == 1
        assert not ProcrastinateJob.objects.exists()

    @pytest.mark.parametrize("status", ["todo", "doing", "failed"])
    def test_never_takes_what_is_still_to_be_done(self, job_id: int, status: str) -> None:
        set_status(job_id, status)
        assert jobs.clear_old(now=clock.now() + timedelta(days=3000))["jobs"] == 0

    def test_happens_by_itself_every_day(self) -> None:
        assert "smartspec.tasks.clear_old" in {
            task.task.name for task in queue.periodic_registry.periodic_tasks.values()
        }


class TestPeriodicTasks:
    @pytest.fixture
    def failed(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Two jobs that were given up: a run of a periodic task, and something that happens once.

        Until the next leap day no worker adds runs of its own.
        """
        at_rest = {
            key: evolve(entry, cron="0 0 29 2 *") for key, entry in queue.periodic_registry.periodic_tasks.items()
        }
        monkeypatch.setattr(queue.periodic_registry, "periodic_tasks", at_rest)
        run = queue.configure_task("smartspec.users.tasks.clear_expired", queueing_lock=None).defer(timestamp=0)
        once = queue.configure_task("smartspec.users.tasks.erase").defer(user_id="nobody")
        for job_id in (run, once):
            set_status(job_id, "failed")
        return [run, once]

    def run_worker(self) -> None:
        call_command("procrastinate", "worker", "--one-shot")

    @pytest.mark.django_db(transaction=True)
    def test_that_succeed_make_up_for_the_runs_that_were_given_up(self, failed: list[int]) -> None:
        queue.configure_task("smartspec.users.tasks.clear_expired").defer(timestamp=1)
        self.run_worker()
        assert [job.pk for job in ProcrastinateJob.objects.all()] == failed[1:]

    @pytest.mark.django_db(transaction=True)
    def test_log_under_their_own_id(self, failed: list[int], caplog: pytest.LogCaptureFixture) -> None:
        job_id = queue.configure_task("smartspec.users.tasks.clear_expired").defer(timestamp=1)
        self.run_worker()
        (line,) = [record.msg for record in caplog.records if "Expired rows cleared" in str(record.msg)]
        assert isinstance(line, dict)
        assert line["job_id"] == job_id

    @pytest.mark.django_db(transaction=True)
    def test_that_fail_again_are_still_shown(self, failed: list[int]) -> None:
        queue.configure_task("smartspec.users.tasks.clear_expired").defer(no_such_argument=1)
        self.run_worker()
        assert ProcrastinateJob.objects.filter(pk__in=failed, status="failed").count() == 2

    def test_that_do_not_run_again_within_minutes_are_tried_again_before(self) -> None:
        seldom = [
            entry.task
            for entry in queue.periodic_registry.periodic_tasks.values()
            if not entry.cron.startswith(("* ", "*/5 "))
        ]
        assert len(seldom) > 10
        assert [task.name for task in seldom if not isinstance(task.retry_strategy, jobs.BackOff)] == []


class TestStartingAgain:
    def test_runs_what_was_given_up(self, job_id: int) -> None:
        set_status(job_id, "failed", attempts=3)
        agent = client_of(agent_with("view_procrastinatejob", "retry_job"))
        assert "Start again" in agent.get(f"{LIST}{job_id}/change/").content.decode()
        agent.post(f"{LIST}do/retry/?row={job_id}", WHY)
        assert ProcrastinateJob.objects.get(pk=job_id).status == "todo"
        done = StaffAction.objects.get()
        assert (done.action, done.reference_id, done.before["status"]) == ("retry_job", str(job_id), "failed")

    def test_runs_now_what_would_be_tried_later(self, job_id: int) -> None:
        set_status(job_id, "todo", attempts=3, scheduled_at=clock.now() + timedelta(hours=1))
        agent = client_of(agent_with("view_procrastinatejob", "retry_job"))
        agent.post(f"{LIST}do/retry/?row={job_id}", WHY)
        assert ProcrastinateJob.objects.get(pk=job_id).scheduled_at is None

    @pytest.mark.parametrize("status", ["todo", "doing", "cancelled", "succeeded"])
    def test_is_refused_for_anything_else(self, job_id: int, status: str) -> None:
        set_status(job_id, status)
        staff = services.Staff(agent_with("retry_job"), None, *WHY.values())
        with pytest.raises(jobs.NothingToRetry):
            jobs.retry_job(staff=staff, job_id=job_id, now=clock.now())
        with pytest.raises(jobs.UnknownJob):
            jobs.retry_job(staff=staff, job_id=job_id + 1, now=clock.now())
        assert not StaffAction.objects.exists()

    def test_takes_the_right(self, job_id: int) -> None:
        set_status(job_id, "failed")
        onlooker = agent_with("view_procrastinatejob")
        assert client_of(onlooker).post(f"{LIST}do/retry/?row={job_id}", WHY).status_code == 403
        with pytest.raises(services.NotPermitted):
            jobs.retry_job(staff=services.Staff(onlooker, None, *WHY.values()), job_id=job_id, now=clock.now())

    def test_filters_by_state(self, job_id: int) -> None:
        onlooker = client_of(agent_with("view_procrastinatejob"))
        for status, attempts, filtered in (("todo", 2, "waiting"), ("failed", 2, "failed"), ("todo", 0, "todo")):
            set_status(job_id, status, attempts=attempts)
            found = onlooker.get(LIST, {"state": filtered}).context["cl"].result_list
            assert job_id in [job.pk for job in found]


class TestIgnoring:
    @pytest.mark.parametrize(("status", "attempts"), [("failed", 80), ("todo", 3)])
    def test_takes_what_failed_off_the_queue_and_off_the_home_page(
        self, job_id: int, status: str, attempts: int
    ) -> None:
        set_status(job_id, status, attempts=attempts)
        agent = client_of(agent_with("view_procrastinatejob", "ignore_job"))
        assert sum(task.count for task in agent.get("/admin/").context["tasks"]) == 1
        assert "Ignore" in agent.get(f"{LIST}{job_id}/change/").content.decode()
        for _ in range(2):  # the second click finds nothing to ignore
            agent.post(f"{LIST}do/ignore/?row={job_id}", WHY)
        assert ProcrastinateJob.objects.get(pk=job_id).status == "cancelled"
        assert not agent.get("/admin/").context["tasks"]
        done = StaffAction.objects.get()
        assert (done.action, done.reference_id, done.note) == ("ignore_job", str(job_id), WHY["note"])
        assert (done.before["status"], done.after["status"]) == (status, "cancelled")

    @pytest.mark.parametrize("status", ["todo", "doing", "cancelled", "succeeded"])
    def test_is_refused_for_what_has_not_failed(self, job_id: int, status: str) -> None:
        set_status(job_id, status)
        staff = services.Staff(agent_with("ignore_job"), None, *WHY.values())
        with pytest.raises(jobs.NothingToIgnore):
            jobs.ignore_job(staff=staff, job_id=job_id, now=clock.now())
        assert not StaffAction.objects.exists()

    def test_takes_a_right_of_its_own(self, job_id: int) -> None:
        set_status(job_id, "failed")
        helper = agent_with("view_procrastinatejob", "retry_job")
        assert client_of(helper).post(f"{LIST}do/ignore/?row={job_id}", WHY).status_code == 403
        with pytest.raises(services.NotPermitted):
            jobs.ignore_job(staff=services.Staff(helper, None, *WHY.values()), job_id=job_id, now=clock.now())


class TestRetry:
    def test_waits_longer_each_time_and_behind_newer_jobs(self) -> None:
        from procrastinate.jobs import Job

        def decide(attempts: int) -> Any:
            job = Job(id=1, queue="webhooks", lock=None, queueing_lock=None, task_name="x", attempts=attempts)
            return jobs.BackOff().get_retry_decision(exception=RuntimeError(), job=job)

        waits = [(decide(n).retry_at - clock.now()).total_seconds() for n in (0, 1, 5, 30)]
        assert [round(wait / 5) for wait in waits] == [1, 2, 32, 720]
        assert decide(3).priority == -1
        assert decide(jobs.MAX_ATTEMPTS) is None


def test_a_job_queued_under_the_name_that_a_task_had_before_still_runs() -> None:
    assert queue.tasks["smartspec.tasks.clear_failures"] is queue.tasks["smartspec.tasks.clear_old"]


def test_finding_the_next_job_looks_up_whose_lock_is_free() -> None:
    """Else each question reads the whole queue, which after an outage is tens of thousands of jobs."""
    customers = [queue.configure_task("some.task", lock=f"customer {n % 25}", allow_unknown=True) for n in range(2000)]
    queue.job_manager.batch_defer_jobs([customer.make_new_job() for customer in customers])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE procrastinate_jobs")
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        for _ in range(30):  # five more than there are free locks
            cursor.execute(
                "SELECT id FROM procrastinate_fetch_job_v2(NULL, (SELECT max(id) FROM procrastinate_workers))"
            )
        assert cursor.fetchone() == (None,)
        cursor.execute("SELECT pg_stat_get_xact_numscans('job_locks'::regclass)")
        assert cursor.fetchone()[0] >= 2000
