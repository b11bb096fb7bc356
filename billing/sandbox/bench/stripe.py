"""A Stripe that is as far away as the real one."""

import os
import time

from billing.sandbox.client import Answered, InProcessClient


class DistantStripe(InProcessClient):
    """The sandbox, which thinks for `BENCH_STRIPE_MS` before every answer."""

    name = "distant-stripe"

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Answered:
        time.sleep(int(os.environ["BENCH_STRIPE_MS"]) / 1000)
        return super().answer(method, url, headers, body)
