"""The disk is full under the running product, the database's log included: whoever asks is told, nothing is lost."""

import json
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import requests

from billing.tests.faults import Crowd, assert_books_are_right, insist_on, wait_until_quiet
from billing.tests.test_database_gone import LOSE, ask, deliver, read_undelivered, wait_until_ready
from smartspec.testing import Product, run_product

DISK_MB = 300
FULL_SECONDS = 20
FREE_SHARE_WHEN_LOW = 0.05
BLOCK = b"\0" * 65_536


def fill(path: Path, *, free_share: float = 0.0) -> None:
    """Let a file grow until no more than this share of its disk is free."""
    with path.open("ab", buffering=0) as file:
        while True:
            usage = shutil.disk_usage(path.parent)
            if usage.free <= free_share * usage.total:
                return
            try:
                file.write(BLOCK)
            except OSError:  # nothing is free
                return


def use_log_up(product: Product) -> None:
    """Let the database begin the next file of its write-ahead log, as it does by itself after 16 MB."""
    try:
        with psycopg.connect(
            host=str(product.data_dir / "postgres"), user="postgres", dbname="smartspec", autocommit=True
        ) as database:
            database.execute("SELECT txid_current(), pg_switch_wal()")
    except psycopg.OperationalError:
        pass  # it has found out


def find_broken(product: Product) -> set[str]:
    """Return the conditions that `manage.py doctor` finds broken."""
    told = json.loads(product.manage("doctor", "--json").stdout.splitlines()[-1])
    return {condition["name"] for condition in told["conditions"] if not condition["holds"]}


@pytest.mark.faults
def test_everybody_is_told_and_when_there_is_room_again_nothing_is_lost() -> None:
    with run_product(disk_mb=DISK_MB) as product:
        crowd = Crowd(product, people=3, seed=1)
        insist_on(product, LOSE, "LOSING")
        crowd.run(purchases=6, jobs=6)
        undelivered = read_undelivered(product)
        ballast = product.data_dir / "ballast"

        assert "disk" not in find_broken(product)
        fill(ballast, free_share=FREE_SHARE_WHEN_LOW)
        assert "disk" in find_broken(product)
        assert 'smartspec_condition{name="disk"} 0.0' in requests.get(f"{product.url}/metrics", timeout=30).text

        answers: Counter[int] = Counter()
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(crowd.run, purchases=12, jobs=12)
            began_at = time.monotonic()
            while time.monotonic() - began_at < FULL_SECONDS:
                fill(ballast)
                use_log_up(product)
                for event in undelivered:
                    answers[deliver(product, event).status_code] += 1
                    answers[ask(product, "GET", "/api/credits/balance", crowd.people[0].headers).status_code] += 1
                time.sleep(0.2)
            print(dict(answers))  # noqa: T201 - for docs/load.md
            ballast.unlink()
            wait_until_ready(product)
            coming.result()
        assert set(answers) <= {200, 503}
        assert answers[503]
        assert {deliver(product, event).status_code for event in undelivered} == {200}
        wait_until_quiet(product)
        assert_books_are_right(product)
        crowd.compare_with_books()
        assert sum(len(person.paid) for person in crowd.people) == 18
