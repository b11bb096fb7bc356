"""Killed between payment and credits: the credits arrive, once."""

import os
import re
import signal
import time
from typing import Any

import psutil
import pytest
import requests

from smartspec.management.commands.seed_demo import DEMO_PEOPLE
from smartspec.testing import Product, run_product

EMAIL = "demo@smartspec.test"
TIMEOUT_SECONDS = 60


class Stranger:
    """A customer with curl: the API by token, the hosted page by its form."""

    def __init__(self, product: Product) -> None:
        self.product = product
        credentials = {"email": EMAIL, "password": DEMO_PEOPLE[EMAIL]["password"]}
        answer = requests.post(f"{product.url}/api/auth/app/v1/auth/login", json=credentials, timeout=TIMEOUT_SECONDS)
        self.headers = {"Authorization": f"Bearer {answer.json()['meta']['session_token']}"}

    def get(self, path: str) -> dict[str, Any]:
        answer = requests.get(f"{self.product.url}{path}", headers=self.headers, timeout=TIMEOUT_SECONDS)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def open_checkout(self) -> str:
        """Return the address of a hosted page on which 100 credits are paid for."""
        answer = requests.post(
            f"{self.product.url}/api/payment/checkout/credits",
            json={"credits_amount": 100},
            headers=self.headers,
            timeout=TIMEOUT_SECONDS,
        )
        return str(answer.json()["url"])

    def pay(self, checkout_url: str) -> None:
        """Pay by card and go no further: the browser is closed before it is led back to us."""
        browser = requests.Session()
        page = browser.get(checkout_url, timeout=TIMEOUT_SECONDS).text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token is not None
        answer = browser.post(
            checkout_url,
            data={
                "csrfmiddlewaretoken": token[1],
                "email": EMAIL,
                "cardNumber": "4242 4242 4242 4242",
                "cardExpiry": "12 / 34",
                "cardCvc": "123",
                "billingName": "Demo Customer",
            },
            headers={"Referer": checkout_url},
            allow_redirects=False,
            timeout=TIMEOUT_SECONDS,
        )
        assert answer.status_code in (302, 303), answer.text


def children(product: Product) -> list[psutil.Process]:
    assert product.process is not None
    return psutil.Process(product.process.pid).children(recursive=True)


@pytest.mark.xdist_group("product")
def test_credits_arrive_once_though_everything_was_killed() -> None:
    with run_product() as product:
        stranger = Stranger(product)
        before = stranger.get("/api/credits/balance")["available_credits"]
        checkout_url = stranger.open_checkout()
        worker = next(process for process in children(product) if "procrastinate" in process.cmdline())
        worker.suspend()
        stranger.pay(checkout_url)
        assert stranger.get("/api/credits/balance")["available_credits"] == before

        assert product.process is not None
        for process in [*children(product), psutil.Process(product.process.pid)]:
            if process.name() != "postgres":
                os.kill(process.pid, signal.SIGKILL)
        product.process.wait()
        product.start()

        deadline = time.monotonic() + TIMEOUT_SECONDS
        while stranger.get("/api/credits/balance")["available_credits"] == before:
            assert time.monotonic() < deadline, "the credits never came"
            time.sleep(0.2)
        time.sleep(1)
        assert stranger.get("/api/credits/balance")["available_credits"] == before + 105
        entries = stranger.get("/api/credits/transactions")["transactions"]
        assert sorted((entry["transaction_type"], entry["amount"]) for entry in entries[:2]) == [
            ("bonus", 5),
            ("purchase", 100),
        ]
        assert product.manage("verify_ledger").returncode == 0
