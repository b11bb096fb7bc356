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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
JOBS_LEFT = """
from procrastinate.contrib.django.models import ProcrastinateJob
from django.utils import timezone
from django.db.models import Q
due = Q(scheduled_at=None) | Q(scheduled_at__lte=timezone.now())
print("LEFT", ProcrastinateJob.objects.filter(status__in=("todo", "doing")).filter(due).count())
"""


@dataclass
class Person:
    """One customer: what they paid for, and what their jobs were answered."""

    id: str
    headers: dict[str, str]
    paid: set[str] = field(default_factory=set)
    captured: Counter[str] = field(default_factory=Counter)


class Crowd:
    """Customers and a worker over HTTP."""

    def __init__(self, product: Product, *, people: int, seed: int) -> None:
        self.product, self.seed = product, seed
        made = json.loads(_shell(product, PEOPLE.replace("COUNT", str(people)), "MADE"))
        self.people = [Person(user_id, {"Authorization": token}) for user_id, token in made["people"]]
        self.worker = {"Authorization": f"Api-Key {made['key']}"}

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
        """Buy 100 credits by card, and go away without looking."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"credits_amount": 100}
        opened = self.insist("POST", "/api/payment/checkout/credits", person.headers | key, body).json()
        if self.pay(opened["url"]):
            person.paid.add(opened["session_id"])

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


class Killer(threading.Thread):
    """Kills web server, worker, database or all of them with -9, every so often, and starts again what ended."""

    def __init__(self, product: Product, *, every_seconds: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.product, self.every_seconds = product, every_seconds
        self.random = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.stopped = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stopped.wait(self.every_seconds * self.random.uniform(0.5, 1.5)):
                self.kill_one()
        except BaseException as error:  # seen by the test, which joins
            self.failure = error

    def kill_one(self) -> None:
        victim = self.random.choice(("web", "worker", "database", "everything"))
        for process in processes_of(self.product, victim):
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.killed[victim] += 1
        self.start_again()

    def start_again(self) -> None:
        """Start the product again: without one of its processes, or its database, the tree ends or is of no use."""
        process = self.product.process
        assert process is not None
        try:
            process.wait(5)
        except Exception:
            for child in processes_of(self.product, "web") + processes_of(self.product, "worker"):
                child.kill()
            process.kill()
            process.wait()
        self.product.start()

    def end(self) -> None:
        self.stopped.set()
        self.join(120)
        if self.failure is not None:
            raise self.failure


def processes_of(product: Product, victim: str) -> list[psutil.Process]:
    """Return the processes that a victim's name means."""
    assert product.process is not None
    try:
        tree = [psutil.Process(product.process.pid), *psutil.Process(product.process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        tree = []
    database = [
        p for p in psutil.process_iter(["cmdline"]) if str(product.data_dir) in " ".join(p.info["cmdline"] or [])
    ]
    postgres = [p for p in database if "postgres" in p.name()]
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


def wait_until_quiet(product: Product) -> None:
    """Wait until no job of the queue is due; however many there are, they must become fewer."""
    fewest = left = int(_shell(product, JOBS_LEFT, "LEFT"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left:
        time.sleep(1)
        left = int(_shell(product, JOBS_LEFT, "LEFT"))
        if left < fewest:
            fewest, deadline = left, time.monotonic() + PATIENCE_SECONDS
        assert time.monotonic() < deadline, f"the queue does not become empty: {left} jobs"


def assert_books_are_right(product: Product) -> None:
    """The ledger adds up, and after one repairing comparison Stripe's books and ours say the same."""
    product.manage("reconcile_stripe", "--repair")
    for command in ("reconcile_stripe", "verify_ledger"):
        done = product.manage(command)
        assert done.returncode == 0, done.stdout + done.stderr


def _shell(product: Product, code: str, word: str) -> str:
    """Run Python on the product's machine and return the rest of the line that it prints after a word."""
    done = product.manage("shell", "--no-imports", "-c", code)
    line = next((line for line in done.stdout.splitlines() if line.startswith(f"{word} ")), None)
    assert line is not None, done.stdout + done.stderr
    return line.removeprefix(f"{word} ")
