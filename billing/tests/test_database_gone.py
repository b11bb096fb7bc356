"""The database goes away under the running product for a minute, and comes back: nobody has to be called."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

import fasteners
import psutil
import pytest
import requests

from billing.sandbox.services.deliveries import sign
from billing.tests.faults import Crowd, assert_books_are_right, insist_on, processes_of, wait_until_quiet
from smartspec.testing import Product, run_product

AWAY_SECONDS = 60
TIMEOUT_SECONDS = 30
BACK_WITHIN_SECONDS = 120
# What a request under way is waited for, and every one that comes after it.
FIRST_ANSWER_SECONDS = 25
ANSWER_SECONDS = 10
LOST = "checkout.session.completed"
LOSE = f"""
from billing.sandbox.services import faults
faults.add_fault("drop", event_type="{LOST}", remaining=6)
print("LOSING them")
"""

Trouble = Callable[[Product], AbstractContextManager[None]]


@contextmanager
def refusing(product: Product) -> Iterator[None]:
    """Kill the embedded server, as a machine that loses power does, and let nobody start it again for now."""
    with fasteners.InterProcessLock(product.data_dir / "postgres.lock"):
        signal_database(product, signal.SIGKILL)
        yield


@contextmanager
def hanging(product: Product) -> Iterator[None]:
    """Let the server stand still: connections stay open, new ones are taken, and nothing is answered."""
    signal_database(product, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_database(product, signal.SIGCONT)


def signal_database(product: Product, number: signal.Signals) -> None:
    for postmaster in processes_of(product, "database"):
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def ask(product: Product, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> requests.Response:
    json_too = {"Content-Type": "application/json"} | headers
    return requests.request(method, f"{product.url}{path}", headers=json_too, data=body, timeout=TIMEOUT_SECONDS)


def deliver(product: Product, event: dict[str, Any]) -> requests.Response:
    """Send a webhook as Stripe does."""
    body = json.dumps(event).encode()
    signature = sign(body, secret="whsec_sandbox", timestamp=int(time.time()))
    return ask(product, "POST", "/api/webhooks/stripe", {"Stripe-Signature": signature}, body)


def read_undelivered(product: Product) -> list[dict[str, Any]]:
    """Return the events of Stripe's that LOST has kept from us."""
    path = f"/sandbox/stripe/v1/events?limit=100&type={LOST}"
    return list(ask(product, "GET", path, {"Authorization": "Bearer sk_test_sandbox"}).json()["data"])


def assert_refused(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def ask_for_a_minute(crowd: Crowd, events: list[dict[str, Any]]) -> None:
    """Ask for this and that until the minute is over, and let these webhooks come again and again."""
    product, (person, *_) = crowd.product, crowd.people
    order = json.dumps({"user_id": person.id, "operation": "image_generation", "reference_id": "away"}).encode()
    calls = [
        *[partial(deliver, product, event) for event in events],
        partial(ask, product, "GET", "/api/credits/balance", person.headers),
        partial(ask, product, "POST", "/api/credits/holds", crowd.worker | {"Idempotency-Key": "away"}, order),
        partial(ask, product, "POST", "/api/payment/checkout/credits", person.headers, b'{"credits_amount": 100}'),
    ]
    asked, slowest_seconds, began_at = 0, 0.0, time.monotonic()
    while time.monotonic() - began_at < AWAY_SECONDS:
        for call in calls:
            asked_at = time.monotonic()
            assert_refused(call())
            now = time.monotonic()
            asked += 1
            slowest_seconds = max(slowest_seconds, now - asked_at)
            is_first = asked_at - began_at < FIRST_ANSWER_SECONDS
            assert now - asked_at < (FIRST_ANSWER_SECONDS if is_first else ANSWER_SECONDS)
        assert ask(product, "GET", "/healthz", {}).status_code == 200
        assert ask(product, "GET", "/readyz", {}).status_code == 503
        time.sleep(0.2)
    print(f"{asked} refused, the slowest after {slowest_seconds:.1f} s")  # noqa: T201 - for docs/load.md


def wait_until_ready(product: Product) -> None:
    """Wait until everything is back; nothing is done by hand."""
    deadline = time.monotonic() + BACK_WITHIN_SECONDS
    while ask(product, "GET", "/readyz", {}).status_code != 200:
        assert time.monotonic() < deadline, product.output[-5000:]
        time.sleep(0.5)


@pytest.mark.faults
@pytest.mark.parametrize("trouble", [refusing, hanging])
def test_everybody_is_told_for_a_minute_and_then_served_and_nothing_is_lost(trouble: Trouble) -> None:
    with run_product() as product:
        crowd = Crowd(product, people=3, seed=1)
        insist_on(product, LOSE, "LOSING")
        crowd.run(purchases=6, jobs=6)
        undelivered = read_undelivered(product)
        assert len(undelivered) == 6
        with ThreadPoolExecutor(1) as pool:
            with trouble(product):
                coming = pool.submit(crowd.run, purchases=12, jobs=12)
                ask_for_a_minute(crowd, undelivered)
                assert not coming.done()
            wait_until_ready(product)
            coming.result()
        assert {deliver(product, event).status_code for event in undelivered} == {200}
        wait_until_quiet(product)
        assert_books_are_right(product)
        crowd.compare_with_books()
        assert sum(len(person.paid) for person in crowd.people) == 18
        assert product.process is not None
        assert product.process.poll() is None
