"""Threads for races: each has its own connection to the database, and all begin together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connections

from smartspec.errors import DomainError


def at_once(count: int, run: Callable[[int], Any], *, refusal: type[Exception] = DomainError) -> list[Any]:
    """Run a function in `count` threads and return what each answered, or the refusal it met; another error fails."""
    barrier = Barrier(count)

    def one(n: int) -> Any:
        barrier.wait()
        try:
            return run(n)
        except refusal as met:
            return met
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
