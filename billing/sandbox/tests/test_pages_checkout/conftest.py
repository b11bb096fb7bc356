"""Somebody without a script, and what became of the session that they visited."""

from collections.abc import Callable

import pytest
import stripe
from django.test import Client

from billing.sandbox import store

OpenSession = Callable[..., stripe.checkout.Session]


@pytest.fixture
def visitor() -> Client:
    return Client()


def status_of(session: stripe.checkout.Session) -> tuple[str, str]:
    stored = store.get("checkout.session", session.id)
    return stored["status"], stored["payment_status"]
