"""Somebody else's server on a slow day: whoever waits for it leaves threads to those who need nothing of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

TURN_WITHIN_SECONDS = 2


class NoTurn(Exception):
    """So many wait for the server already that this call was not made."""


class Bulkhead:
    """Lets so many calls at once wait for one server, and refuses more after two seconds."""

    def __init__(self, calls_at_once: int) -> None:
        self._turns = threading.BoundedSemaphore(calls_at_once)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Make a call inside of this.

        :raises NoTurn: none came free in time.
        """
        if not self._turns.acquire(timeout=TURN_WITHIN_SECONDS):
            raise NoTurn("Too many calls wait for this server.")
        try:
            yield
        finally:
            self._turns.release()
