"""Two workers run every periodic task at the same moment: what comes of it is what one would have done."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.mail import EmailMessage
from django.db import connection, connections
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.jobs import Job
from procrastinate.tasks import Task

from billing.tests.periodic_work import WORK, World
from credits import selectors
from smartspec.testing import SetClock
from smartspec.users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 2
PATIENCE_SECONDS = 0.05


class SideBySide:
    """Workers that go on together, a statement at a time, as far as none waits for a lock that another holds."""

    def __init__(self, task: Task[..., Any, Any]) -> None:
        self.task, self.all_here, self.is_any_done = task, threading.Barrier(WORKERS), False

    def run(self) -> None:
        try:
            with connection.execute_wrapper(self.go_on):
                self.task.func(timestamp=0)
        finally:
            self.is_any_done = True
            connections.close_all()

    def go_on(self, execute: Callable[..., Any], *statement: Any) -> Any:
        if not self.is_any_done:
            with suppress(threading.BrokenBarrierError):
                self.all_here.wait(PATIENCE_SECONDS)
            if self.all_here.broken:  # the other waits for a lock
                self.all_here.reset()
        return execute(*statement)


def run_at_once(task: Task[..., Any, Any]) -> None:
    """Run a task twice, at the same time; raise what either raises."""
    if inspect.iscoroutinefunction(task.func):
        run_in_one_loop(task)
        return
    workers = SideBySide(task)
    with ThreadPoolExecutor(WORKERS) as pool:
        for worker in [pool.submit(workers.run) for _ in range(WORKERS)]:
            worker.result()


@async_to_sync
async def run_in_one_loop(task: Task[..., Any, Any]) -> None:
    """Run a task that asks the queue itself: each of the two by connections of its own."""
    assert isinstance(app.connector, DjangoConnector)
    with app.replace_connector(app.connector.get_worker_connector()):
        async with app.open_async():
            job = Job(id=1, queue="default", lock=None, queueing_lock=None, task_name=task.name)
            context = JobContext(app=app, job=job, start_timestamp=0, abort_reason=lambda: None)
            await asyncio.gather(*(task.func(context, timestamp=0) for _ in range(WORKERS)))


@pytest.fixture
def world(
    set_clock: SetClock, mailoutbox: list[EmailMessage], caplog: pytest.LogCaptureFixture, settings: Any
) -> World:
    settings.OPERATOR_EMAILS = ["ops@smartspec.test"]

    def logged(event: str) -> list[dict[str, Any]]:
        lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return [line for line in lines if line["event"] == event]

    return World(set_clock, mailoutbox, logged)


def periodic_tasks() -> dict[str, Task[..., Any, Any]]:
    return {entry.task.name: entry.task for entry in app.periodic_registry.periodic_tasks.values()}


def test_every_periodic_task_has_work_here() -> None:
    assert set(WORK) == set(periodic_tasks())


def test_every_periodic_task_by_two_workers_at_once(world: World) -> None:
    tasks = periodic_tasks()
    left = {name: leave(world) for name, leave in WORK.items()}
    for name, work in left.items():
        assert work.tell() == work.undone, name
        run_at_once(tasks[name])
        assert work.tell() == work.done, name
    for name, work in left.items():
        assert work.tell() == work.done, f"{name}, after all the others"
    for user in User.objects.all():
        assert selectors.verify_account(account_id=user.pk) == []
