"""The database goes away under the running product, and comes back: nobody has to be called."""

import time

import psutil
import pytest
import requests

from billing.tests.faults import Crowd, assert_books_are_right, processes_of, wait_until_quiet
from smartspec.testing import Product, run_product

TIMEOUT_SECONDS = 30
BACK_WITHIN_SECONDS = 120


def kill_database(product: Product) -> None:
    """Kill the embedded server and all its processes, as a machine that loses power does."""
    for process in processes_of(product, "database"):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def ask(product: Product, path: str, headers: dict[str, str] | None = None) -> requests.Response:
    return requests.get(f"{product.url}{path}", headers=headers, timeout=TIMEOUT_SECONDS)


@pytest.mark.faults
def test_the_web_server_says_so_and_both_recover() -> None:
    with run_product() as product:
        crowd = Crowd(product, people=2, seed=1)
        crowd.run(purchases=2, jobs=2)
        kill_database(product)
        refused = ask(product, "/api/credits/balance", crowd.people[0].headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert ask(product, "/healthz").status_code == 200
        # Nothing is done by hand: the worker ends, is started again, and with it the database.
        deadline = time.monotonic() + BACK_WITHIN_SECONDS
        while ask(product, "/readyz").status_code != 200:
            assert time.monotonic() < deadline, product.output[-5000:]
            time.sleep(0.5)
        crowd.run(purchases=2, jobs=2)
        wait_until_quiet(product)
        assert_books_are_right(product)
        crowd.compare_with_books()
        assert product.process is not None
        assert product.process.poll() is None
