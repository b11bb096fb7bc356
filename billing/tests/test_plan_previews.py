"""What the page says before a plan is changed is what happens: from every plan and interval to every other."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing.tests.conftest import Travel
from smartspec import clock

pytestmark = pytest.mark.django_db

OFFERS = (("pro", "monthly"), ("pro", "yearly"), ("enterprise", "monthly"), ("enterprise", "yearly"))
CENTS = dict(zip(OFFERS, (2_900, 29_000, 19_900, 199_000), strict=True))
# Whatever would owe money back waits for the end of what is paid for.
AT_ONCE = [
    (("pro", "monthly"), ("pro", "yearly")),
    (("pro", "monthly"), ("enterprise", "monthly")),
    (("pro", "monthly"), ("enterprise", "yearly")),
    (("pro", "yearly"), ("enterprise", "yearly")),
    (("enterprise", "monthly"), ("enterprise", "yearly")),
]


def available(client: APIClient) -> float:
    return float(client.get("/api/credits/balance").json()["available_credits"])


def paid_cents(client: APIClient) -> int:
    return sum(invoice["amount_paid"] for invoice in client.get("/api/payment/invoices").json()["invoices"])


@pytest.mark.parametrize(
    ("old", "new"),
    list(permutations(OFFERS, 2)),
    ids=lambda offer: "-".join(offer) if isinstance(offer, tuple) else None,
)
class TestPreview:
    def test_is_what_happens(
        self,
        alice: Any,
        alice_client: APIClient,
        subscribe: Callable[..., str],
        travel: Travel,
        old: tuple[str, str],
        new: tuple[str, str],
    ) -> None:
        subscribe(alice_client, *old)
        travel(clock.now() + timedelta(days=10))
        browser = Client()
        browser.force_login(alice)
        credits, cents = available(alice_client), paid_cents(alice_client)
        wanted = {"plan": new[0], "interval": new[1]}

        page = browser.get("/account/plans/change", wanted)
        told = page.context["answer"]
        assert f'data-amount-due="{told.amount_due}"' in page.content.decode()
        assert (available(alice_client), paid_cents(alice_client)) == (credits, cents)  # looking changes nothing
        browser.post("/account/plans/change", wanted | {"key": str(page.context["key"])})
        travel(clock.now() + timedelta(minutes=1))

        plan = alice_client.get("/api/payment/subscription").json()
        assert available(alice_client) - credits == told.credits_granted
        assert paid_cents(alice_client) - cents == told.amount_due
        if (old, new) in AT_ONCE:
            assert ((plan["plan"], plan["interval"]), plan["pending_change"]) == (new, None)
            assert 0 < told.amount_due < CENTS[new]
            assert (told.credits_granted > 0) == (old[0] != new[0])
        else:
            assert (told.amount_due, told.credits_granted) == (0, 0)
            assert (plan["plan"], plan["interval"]) == old
            pending = plan["pending_change"]
            assert (pending["plan"], pending["interval"]) == new
            assert datetime.fromisoformat(pending["effective_at"]) == told.effective_at
            assert pending["effective_at"] == plan["current_period_end"]
