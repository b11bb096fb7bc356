"""Crashes at random moments under load: of a client, and of the database. Whatever was answered is there, once.

A client writes down what it is about to ask, and what it was answered. After a crash everything that was asked is
asked again with the same key: what was answered must be answered the same again, as a replay.
"""

import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import Error, connection, connections

from credits import selectors, services
from credits.models import Grant, Hold
from credits.tests.processes import kill, start
from smartspec import local
from smartspec.errors import DomainError
from smartspec.users.models import User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("processes")]

CLIENTS = 3
CALLS = ("hold", "capture", "charge", "grant", "adjust")


@dataclass
class Answer:
    """What the ledger answered to a call: the row that it wrote, and whether it had done so before."""

    number: int
    is_replay: bool


def ask(account_id: UUID, key: str, now: datetime) -> Answer:
    """Make the call that a key stands for: `<round>-<client>-<turn>-<call>`; the key decides everything about it."""
    turn, _, what = key.rpartition("-")
    common: dict[str, Any] = {"account_id": account_id, "now": now}
    match what:
        case "hold" | "capture":
            placed = services.place_hold(
                **common, operation="image_generation", reference_id=turn, idempotency_key=f"{turn}-hold"
            )
            if what == "hold":
                return Answer(placed.number, placed.is_replay)
            settled = services.capture_hold(hold_id=placed.id, idempotency_key=key, now=now)
            return Answer(settled.hold.capture_entry or 0, settled.is_replay)
        case "charge":
            charged = services.charge(**common, operation="storage", credits=Decimal("0.01"), idempotency_key=key)
            assert charged.entry is not None
            return Answer(charged.entry.number, charged.is_replay)
        case "grant":
            granted = services.grant(**common, kind="bonus", credits=Decimal(2), source=key)
            return Answer(granted.grant.number, granted.is_replay)
        case _:
            adjusted = services.adjust(**common, credits=Decimal("-0.25"), reason="x", idempotency_key=key)
            return Answer(adjusted.entry.number, adjusted.is_replay)


def live(account_id: UUID, name: str, log: Path, now: datetime) -> None:
    """Call without end, writing down every question and every answer, until killed or the database is gone."""
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    turn = 0
    while True:
        turn += 1
        for what in CALLS:
            key = f"{name}-{turn}-{what}"
            os.write(written, json.dumps({"asked": key}).encode() + b"\n")
            try:
                answer = ask(account_id, key, now)
            except (Error, DomainError):
                return
            os.write(written, json.dumps({"answered": key, "number": answer.number}).encode() + b"\n")


def check(account_id: UUID, folder: Path, now: datetime) -> int:
    """Ask again whatever was asked, and return how much had been answered."""
    asked: list[str] = []
    answered: dict[str, int] = {}
    for log in sorted(folder.iterdir()):
        for line in log.read_text().splitlines():
            entry = json.loads(line)
            if "asked" in entry:
                asked.append(entry["asked"])
            else:
                answered[entry["answered"]] = entry["number"]
        log.unlink()
    for key in asked:
        again = ask(account_id, key, now)
        if key in answered:
            assert (again.number, again.is_replay) == (answered[key], True), key
        assert ask(account_id, key, now) == Answer(again.number, True)
    done = [key.rpartition("-")[2] for key in asked]
    before = asked[0].partition("-")[0] if asked else ""
    holds = Hold.objects.filter(idempotency_key__startswith=f"{before}-")
    assert (holds.count(), holds.filter(status="captured").count()) == (done.count("hold"), done.count("capture"))
    assert Grant.objects.filter(source__startswith=f"{before}-", kind="bonus").count() == done.count("grant")
    assert selectors.verify_account(account_id=account_id) == []
    return len(answered)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def person(now: datetime) -> UUID:
    """Somebody with more credits than a test spends."""
    return make_person(now)


def make_person(now: datetime) -> UUID:
    account_id = User.objects.create_user("crash@example.com").pk
    services.grant(account_id=account_id, kind="purchase", credits=Decimal(10**6), source="purchase:1", now=now)
    return account_id


class TestKilledClient:
    def test_loses_nothing_that_was_answered(self, person: UUID, folder: Path, now: datetime) -> None:
        assert kill_clients(person, folder, now, times=5) > 0

    @pytest.mark.long
    def test_loses_nothing_that_was_answered_a_hundred_times(self, person: UUID, folder: Path, now: datetime) -> None:
        assert kill_clients(person, folder, now, times=100) > 1000


def kill_clients(account_id: UUID, folder: Path, now: datetime, *, times: int) -> int:
    chance = random.Random(1)
    answered = 0
    for turn in range(times):
        connections.close_all()
        clients = [start(live, account_id, f"r{turn}-{n}", folder / str(n), now) for n in range(CLIENTS)]
        time.sleep(chance.uniform(0.05, 0.3))
        for client in clients:
            kill(client)
        answered += check(account_id, folder, now)
    return answered


class OwnServer:
    """A Postgres of the test's own, in a temporary folder, durable as the real one."""

    def __init__(self, folder: Path) -> None:
        self.server = local.start_postgres(folder)
        self.settings = local.database_settings(folder)

    def kill(self) -> None:
        """Kill -9 the postmaster and everything it started."""
        postmaster = psutil.Process(self.server.get_pid())
        assert postmaster.name().startswith("postgres")  # never anybody else's process
        for process in (postmaster, *postmaster.children(recursive=True)):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        postmaster.wait(60)

    def restart(self) -> None:
        self.server.ensure_postgres_running()


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    """Let Django use a server that can be killed."""
    usual = dict(connections["default"].settings_dict)
    with tempfile.TemporaryDirectory(prefix="smartspec-crash-", ignore_cleanup_errors=True) as name:
        server = OwnServer(Path(name))
        connections.close_all()
        for database in (settings.DATABASES["default"], connections["default"].settings_dict):
            database.update(server.settings)
        try:
            for app in ("users", "credits"):
                call_command("migrate", app, verbosity=0)
            yield server
        finally:
            connections.close_all()
            for database in (settings.DATABASES["default"], connections["default"].settings_dict):
                database.update({key: usual[key] for key in server.settings})
            server.server.stop()


class TestKilledDatabase:
    def test_loses_nothing_that_was_answered(self, own_server: OwnServer, folder: Path, now: datetime) -> None:
        assert kill_database(own_server, folder, now, times=2) > 0

    @pytest.mark.long
    def test_loses_nothing_that_was_answered_a_hundred_times(
        self, own_server: OwnServer, folder: Path, now: datetime
    ) -> None:
        assert kill_database(own_server, folder, now, times=100) > 1000


def kill_database(server: OwnServer, folder: Path, now: datetime, *, times: int) -> int:
    chance = random.Random(2)
    account_id = make_person(now)
    answered = 0
    for turn in range(times):
        connections.close_all()
        clients = [start(live, account_id, f"r{turn}-{n}", folder / str(n), now) for n in range(CLIENTS)]
        time.sleep(chance.uniform(0.05, 0.35))
        server.kill()
        for client in clients:
            client.join(60)
        server.restart()
        with connection.cursor() as cursor:
            cursor.execute("SHOW fsync")
            assert cursor.fetchone() == ("on",)
        answered += check(account_id, folder, now)
    return answered
