"""A crowd that buys and works while everything around it is killed: what the fault tests and drills drive.

Clients do what good clients do: they ask again, with the same key, until they are answered. What they were answered is
written down, and afterwards compared with the books.
"""

import json
import os
import random
import re
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import psutil
import requests

from smartspec.testing import Product

TIMEOUT_SECONDS = 20
PATIENCE_SECONDS = 240
# Made on the product's own machine, so that no sign-up limit is in the way: each with a token of the desktop app.
PEOPLE = """
import json
from smartspec import clock
from smartspec.testing import make_client, make_user
from smartspec.users import services
users = [make_user(f"crowd-{n}@smartspec.test") for n in range(COUNT)]
people = [[str(user.pk), make_client(user).defaults["HTTP_AUTHORIZATION"]] for user in users]
key = services.create_service_key(name="crowd", scopes=["credits:spend"], now=clock.now()).secret
print("MADE", json.dumps({"people": people, "key": key}))
"""
FAULTS = """
from billing.sandbox.services import faults
faults.add_fault("duplicate", event_type="checkout.*")
faults.add_fault("reorder")
faults.add_fault("delay", event_type="payment_intent.*", seconds=2)
faults.add_fault("drop", event_type="checkout.session.completed", remaining=20)
print("DISTURBED now")
"""
# How many jobs are due, and how many were ever done: a delivery that is done leaves two jobs more, so that the first
# may grow while everything is as it should be. Nobody waits for dj-stripe's copies, least of all a thousand buyers.
JOBS_LEFT = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute(
        "SELECT count(*) FILTER (WHERE status IN ('todo', 'doing') AND queue_name <> ALL (%s)"
        " AND coalesce(scheduled_at <= now(), true)), (SELECT last_value FROM procrastinate_jobs_id_seq) - count(*)"
        " FROM procrastinate_jobs",
        [QUEUES],
    )
    print("LEFT", *cursor.fetchone())
"""
NEXT_MONTH = """
from contextlib import suppress
from datetime import timedelta
from procrastinate.exceptions import AlreadyEnqueued
from billing.sandbox.services import moving
from billing.sandbox.tasks import pass_time
moving.set_offset(timedelta(days=31, hours=2) * MONTHS)
with suppress(AlreadyEnqueued):  # the one that waits already will see the new time
    pass_time.defer(timestamp=0)
print("MOVED", MONTHS)
"""
PLAY_WHAT_IS_DUE = """
from smartspec import clock
from billing.sandbox.services import timekeeping
print("PLAYED", timekeeping.pass_time(now=clock.now()))
"""
ALLOWANCES = """
import json
from credits.models import Grant
given = Grant.objects.filter(account_id=ACCOUNT, source__startswith="allowance:sub_").values_list("source", "credits")
print("GIVEN", json.dumps(sorted((source, int(credits)) for source, credits in given)))
"""


@dataclass
class Person:
    """One customer: what they paid for, and what their jobs were answered."""

    id: str
    headers: dict[str, str]
    paid: set[str] = field(default_factory=set)
    is_subscribed: bool = False
    captured: Counter[str] = field(default_factory=Counter)


class Crowd:
    """Customers and a worker over HTTP."""

    def __init__(self, product: Product, *, people: int, seed: int) -> None:
        self.product, self.seed = product, seed
        made = json.loads(_shell(product, PEOPLE.replace("COUNT", str(people)), "MADE"))
        self.people = [Person(user_id, {"Authorization": token}) for user_id, token in made["people"]]
        self.worker = {"Authorization": f"Api-Key {made['key']}"}
        self.months = 0

    def run(self, *, purchases: int, jobs: int, threads: int = 6) -> None:
        """Buy and work, in a random order, until everything was answered."""
        tasks = [self.buy] * purchases + [self.work] * jobs
        random.Random(self.seed).shuffle(tasks)
        with ThreadPoolExecutor(threads) as pool:
            turns = [pool.submit(task, self.people[n % len(self.people)]) for n, task in enumerate(tasks)]
            for turn in turns:
                turn.result()

    # --- What one does ----------------------------------------------------------------------------------------

    def buy(self, person: Person) -> None:
        """Buy 100 credits by card, and go away without looking; a page that a new month has ended is opened anew."""
        body = {"credits_amount": 100}
        while True:
            key = {"Idempotency-Key": str(uuid.uuid4())}
            opened = self.insist("POST", "/api/payment/checkout/credits", person.headers | key, body).json()
            if self.pay(opened["url"]):
                person.paid.add(opened["session_id"])
                return

    def subscribe(self, person: Person) -> None:
        """Begin Pro by card."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"plan": "pro", "interval": "monthly"}
        opened = self.insist("POST", "/api/payment/checkout/subscription", person.headers | key, body).json()
        assert self.pay(opened["url"])
        person.is_subscribed = True

    def pass_month(self) -> None:
        """Let it be a month later, for the product and for its Stripe: whose plan ends with the month pays the next."""
        self.months += 1
        insist_on(self.product, NEXT_MONTH.replace("MONTHS", str(self.months)), "MOVED")

    def pay(self, url: str) -> bool:
        """Fill in the hosted page until it has led on; False when the page had expired."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                browser = requests.Session()
                page = browser.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False)
                if page.status_code in (302, 303):
                    return True  # paid by the click whose answer was lost
                token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
                if page.status_code == HTTPStatus.GONE:
                    return False
                if page.status_code == 200 and token is None:
                    return "expired" not in page.text.lower()
                if page.status_code == 200 and token is not None:
                    card = {"cardNumber": "4242424242424242", "cardExpiry": "12 / 34", "cardCvc": "123"}
                    form = {"csrfmiddlewaretoken": token[1], "email": "crowd@smartspec.test", "billingName": "Crowd"}
                    answer = browser.post(
                        url, data=form | card, headers={"Referer": url}, timeout=TIMEOUT_SECONDS, allow_redirects=False
                    )
                    if answer.status_code in (302, 303):
                        return True
            except requests.RequestException:
                pass
            time.sleep(0.3)
        raise AssertionError(f"never paid: {url}")

    def work(self, person: Person) -> None:
        """Hold a credit for an image and capture it. Who has none is refused, and that is an answer too."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"user_id": person.id, "operation": "image_generation", "reference_id": key["Idempotency-Key"]}
        held = self.insist("POST", "/api/credits/holds", self.worker | key, body)
        person.captured[f"hold {held.status_code}"] += 1
        if held.status_code != 201:
            return
        hold_id = held.json()["id"]
        captured = self.insist("POST", f"/api/credits/holds/{hold_id}/capture", self.worker, {})
        person.captured[f"capture {captured.status_code}"] += 1

    def insist(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> requests.Response:
        """Ask until there is an answer that is not the server's own trouble."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        trouble = "no answer"
        while time.monotonic() < deadline:
            try:
                answer = requests.request(
                    method, f"{self.product.url}{path}", headers=headers, json=body, timeout=TIMEOUT_SECONDS
                )
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                trouble = f"{answer.status_code}: {answer.text[:300]}"
            except requests.RequestException as error:
                trouble = str(error)
            time.sleep(0.3)
        raise AssertionError(f"never answered: {method} {path}: {trouble}")

    # --- What the books say -----------------------------------------------------------------------------------

    def compare_with_books(self) -> None:
        """Every payment gave its credits once, every answered capture is one entry, and nothing else is there."""
        for person in self.people:
            summary = self.insist("GET", "/api/credits/transactions/summary", person.headers).json()["summary"]
            none = {"total": 0, "count": 0}
            bought, usage = summary.get("purchase", none), summary.get("usage", none)
            assert (bought["total"], bought["count"]) == (100 * len(person.paid), len(person.paid)), person
            assert usage["count"] == person.captured["capture 200"], (person, usage)
            if person.is_subscribed:
                given = json.loads(_shell(self.product, ALLOWANCES.replace("ACCOUNT", repr(person.id)), "GIVEN"))
                assert [credits for _, credits in given] == [500] * (1 + self.months), (person, given)


class Killer(threading.Thread):
    """Kills web server, worker, database or all of them with -9, every so often, and starts again what ended."""

    def __init__(self, product: Product, *, every_seconds: float, at_most: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.product, self.every_seconds, self.at_most = product, every_seconds, at_most
        self.random = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.stopped = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stopped.wait(self.every_seconds * self.random.uniform(0.5, 1.5)):
                if self.killed.total() < self.at_most:
                    self.kill_one()
        except BaseException as error:  # seen by the test, which joins
            print(f"the killer failed: {error!r}")  # noqa: T201 - before the crowd does, which has lost its product
            self.failure = error

    def kill_one(self) -> None:
        victim = self.random.choice(("web", "worker", "database", "everything"))
        for process in processes_of(self.product, victim):
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.killed[victim] += 1
        began = time.monotonic()
        self.start_again()
        print(f"killed {victim}; it runs again after {time.monotonic() - began:.0f} s")  # noqa: T201

    def start_again(self) -> None:
        """Start the product again: without one of its processes, or its database, the tree ends or is of no use."""
        process = self.product.process
        assert process is not None
        try:
            process.wait(5)
        except Exception:
            for child in processes_of(self.product, "web") + processes_of(self.product, "worker"):
                with suppress(psutil.NoSuchProcess):  # it may end by itself when another has
                    child.kill()
            process.kill()
            process.wait()
        self.product.start()

    def end(self, *, at_least: int) -> None:
        """Kill on while the queue is worked off, until it was done so often; then stop."""
        while self.is_alive() and self.killed.total() < at_least:
            time.sleep(1)
        self.stopped.set()
        self.join(120)
        if self.failure is not None:
            raise self.failure


def processes_of(product: Product, victim: str) -> list[psutil.Process]:
    """Return the processes that a victim's name means."""
    assert product.process is not None
    try:
        root = psutil.Process(product.process.pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        tree = []
    here = psutil.process_iter(["name", "cmdline"])
    database = [p for p in here if str(product.data_dir) in " ".join(p.info["cmdline"] or [])]
    postgres = [p for p in database if "postgres" in (p.info["name"] or "")]  # as it was seen: it may be gone by now
    named = {
        "web": [p for p in tree if _is(p, "gunicorn")],
        "worker": [p for p in tree if _is(p, "procrastinate")],
        "database": postgres,
        "everything": [*tree, *postgres],
    }
    return named[victim]


def _is(process: psutil.Process, word: str) -> bool:
    try:
        return any(word in part for part in process.cmdline())
    except psutil.Error:
        return False


def disturb_webhooks(product: Product) -> None:
    """Double some webhooks, shuffle all, let some come late and lose some."""
    _shell(product, FAULTS, "DISTURBED")


def wait_until_quiet(product: Product, *, but: Sequence[str] = ()) -> None:
    """Wait until no job is due, of other queues than `but`; however many there are, they must be worked on."""
    code = JOBS_LEFT.replace("QUEUES", repr(list(but)))
    _shell(product, PLAY_WHAT_IS_DUE, "PLAYED")
    most_done, deadline = -1, time.monotonic() + PATIENCE_SECONDS
    while True:
        left, done = (int(count) for count in _shell(product, code, "LEFT").split())
        if not left:
            return
        if done > most_done:
            most_done, deadline = done, time.monotonic() + PATIENCE_SECONDS
        assert time.monotonic() < deadline, f"the queue stands still: {left} jobs"
        time.sleep(1)


def assert_books_are_right(product: Product) -> None:
    """The ledger adds up, and after one repairing comparison Stripe's books and ours say the same."""
    product.manage("reconcile_stripe", "--repair")
    for command in ("reconcile_stripe", "verify_ledger"):
        done = product.manage(command)
        assert done.returncode == 0, done.stdout + done.stderr


def insist_on(product: Product, code: str, word: str) -> str:
    """Do as `_shell` does, again while there is no database just now."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _shell(product, code, word)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _shell(product: Product, code: str, word: str) -> str:
    """Run Python on the product's machine and return the rest of the line that it prints after a word."""
    done = product.manage("shell", "--no-imports", "-c", code)
    line = next((line for line in done.stdout.splitlines() if line.startswith(f"{word} ")), None)
    assert line is not None, done.stdout + done.stderr
    return line.removeprefix(f"{word} ")
