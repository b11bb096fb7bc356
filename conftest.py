"""Loads the shared fixtures."""

import os

import pytest

# Playwright's synchronous driver keeps an event loop in the thread that also uses the ORM.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

pytest_plugins = ["smartspec.testing"]


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What a process remembers for some seconds, plans, rates and the clock's offset, is not remembered into a test."""
    from credits import catalogue
    from smartspec import clock

    catalogue.forget()
    clock.forget_offset()
