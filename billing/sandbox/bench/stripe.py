"""A Stripe that is as far away as the real one."""

import os
import time
from collections.abc import Mapping
from typing import Any

from billing.sandbox.client import InProcessClient


class DistantStripe(InProcessClient):
    """The sandbox, which thinks for `BENCH_STRIPE_MS` before every answer."""

    name = "distant-stripe"

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        time.sleep(int(os.environ["BENCH_STRIPE_MS"]) / 1000)
        return super().request(method, url, headers, post_data, _usage=_usage)
