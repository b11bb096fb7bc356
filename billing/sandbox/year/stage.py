"""Where the year is played: this process, a year ago, with a clock and a queue of its own.

People use the product's API, webhooks are signed, delivered and stored, effects run as jobs. All of it is one
transaction: nobody else sees anything before the year is whole, and a year that breaks off leaves nothing behind.
"""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.testing import InMemoryConnector

from smartspec import clock

Data = dict[str, Any]

SESSION_LASTS = timedelta(hours=1)
MIRROR = "billing.tasks.mirror_event"

_offset = timedelta(0)


def read_offset() -> timedelta:
    """This will return how far this process's clock is from the real one; the settings name this function."""
    return _offset


def become(moment: datetime) -> None:
    """This will let it be another time in this process."""
    global _offset
    _offset = moment - timezone.now()
    clock.forget_offset()


class CallRefused(RuntimeError):
    """The product's API answered with something that the year does not expect."""


@contextlib.contextmanager
def set_up() -> Iterator["Queue"]:
    """Give this process a clock, a queue and webhooks of its own, in one transaction."""
    changed = {
        "CLOCK_OFFSET": f"{__name__}.read_offset",
        "STRIPE_SANDBOX_TRANSPORT": "billing.sandbox.delivery.post_in_process",
    }
    before = {name: getattr(settings, name) for name in changed}
    queue = Queue()
    try:
        for name, value in changed.items():
            setattr(settings, name, value)
        logging.disable(logging.WARNING)  # the table tells it better
        with app.replace_connector(queue.connector), transaction.atomic():
            yield queue
    finally:
        for name, value in before.items():
            setattr(settings, name, value)
        logging.disable(logging.NOTSET)
        clock.forget_offset()
    queue.leave_the_rest()


@dataclass
class Queue:
    """Jobs of this process alone: a worker beside it, which lives by another clock, must not take them."""

    connector: InMemoryConnector = field(default_factory=InMemoryConnector)
    kept: list[Data] = field(default_factory=list)

    def run(self) -> None:
        """Do what waits, and what comes of it. dj-stripe's copies wait for the end: nothing depends on them."""
        while waiting := sorted(self.connector.jobs.values(), key=lambda job: (-job["priority"], job["id"])):
            job = waiting[0]
            del self.connector.jobs[job["id"]]
            if job["task_name"] == MIRROR:
                self.kept.append(job)
            else:
                app.tasks[job["task_name"]].func(**job["args"])

    def leave_the_rest(self) -> None:
        """Hand what was kept to the product's worker."""
        for job in self.kept:
            app.configure_task(
                name=job["task_name"], queue=job["queue_name"], lock=job["lock"], priority=job["priority"]
            ).defer(**job["args"])


class Caller:
    """A client of the product's API, inside this process."""

    def __init__(self, authorization: str = "") -> None:
        self.authorization = authorization

    def get(self, path: str, **query: Any) -> Data:
        return self._call("get", path, query)

    def post(self, path: str, body: Data, *, key: str = "") -> Data:
        return self._call("post", path, json.dumps(body), key=key)

    def _call(self, method: str, path: str, data: Any, *, key: str = "") -> Data:
        """:raises CallRefused: for any answer but a good one."""
        # A use moves a session's end on, from the time of the year; who looks for a live one goes by the real clock.
        token = self.authorization.removeprefix("Bearer ")
        Session.objects.filter(session_key=token).update(expire_date=timezone.now() + SESSION_LASTS)
        headers = {"Host": urlsplit(settings.SITE_URL).netloc}
        headers |= {"Authorization": self.authorization} if self.authorization else {}
        headers |= {"Idempotency-Key": key} if key else {}
        given: Data = {"content_type": "application/json"} if method == "post" else {}
        answer = getattr(Client(), method)(path, data, headers=headers, **given)
        if not 200 <= answer.status_code < 300:
            raise CallRefused(f"{method.upper()} {path} was answered {answer.status_code}: {answer.content.decode()}")
        return dict(answer.json())


@dataclass(frozen=True)
class Account:
    """Whom a year is played for, and how they call the API."""

    user_id: UUID
    email: str
    caller: Caller
