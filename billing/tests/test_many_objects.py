"""A hundred thousand objects at Stripe: comparing them needs no more memory than comparing a few thousand."""

import copy
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient

from billing.models import CheckoutState, Purchase
from billing.sandbox import ids, store
from billing.sandbox.models import StoredObject
from billing.sandbox.services import disputes, refunds
from billing.tests.conftest import open_credits, pay
from credits import services as credits_services
from smartspec import clock
from smartspec.testing import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.long]

OURS, SESSIONS, CUSTOMERS, INVOICES, REFUNDS, DISPUTES = 20_000, 30_000, 20_000, 20_000, 5_000, 5_000
MAY_GROW_BYTES = 32 * 10**6
BATCH = 2_000


def memory_bytes() -> int:
    """Return how much memory this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def store_copies(kind: str, count: int, **changed: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    """Store so many objects like the newest of this kind, with other ids and these fields made anew."""
    like = store.rows(kind)[0]
    for begin in range(0, count, BATCH):
        rows = []
        for _ in range(min(BATCH, count - begin)):
            data = (
                copy.deepcopy(like.data) | {"id": ids.new_id(kind)} | {name: make() for name, make in changed.items()}
            )
            rows.append(
                StoredObject(
                    id=data["id"],
                    kind=kind,
                    created=like.created,
                    customer=data.get("customer") or "",
                    payment_intent=data.get("payment_intent") or "",
                    status=str(data.get("status") or ""),
                    data=data,
                    private=like.private,
                )
            )
            yield data
        StoredObject.objects.bulk_create(rows)


def sell(data: dict[str, Any], purchase: Purchase, user: Any) -> Purchase:
    """Make the purchase that a copied session was paid for, and give what it bought."""
    sold = copy.copy(purchase)
    sold.pk, sold.user_id, sold.session_id = uuid4(), user.pk, data["id"]
    sold.idempotency_key = None
    data["metadata"] = data["metadata"] | {"purchase_id": str(sold.pk), "user_id": str(user.pk)}
    credits_services.grant(
        account_id=user.pk,
        kind="purchase",
        credits=Decimal(sold.credits),
        source=f"purchase:{sold.pk}",
        now=clock.now(),
    )
    return sold


def make_many(alice_client: APIClient, run_jobs: Callable[[], int]) -> None:
    """Sell one amount in earnest, refund and dispute others of nobody, and copy all that as often as it takes."""
    assert pay(open_credits(alice_client, 137)).status == "complete"
    run_jobs()
    purchase = Purchase.objects.get(state=CheckoutState.FULFILLED)
    users = [make_user(f"buyer{number}@example.com") for number in range(100)]
    sessions = store_copies("checkout.session", OURS, metadata=dict)
    sold = [sell(data, purchase, users[number % len(users)]) for number, data in enumerate(sessions)]
    Purchase.objects.bulk_create(sold, batch_size=BATCH)
    # What another product sells by the same account: no user of ours is named anywhere.
    list(store_copies("checkout.session", SESSIONS, metadata=dict))
    list(store_copies("customer", CUSTOMERS, metadata=dict))
    list(store_copies("invoice", INVOICES, customer=lambda: "cus_other"))
    charge = copy.deepcopy(store.rows("charge")[0].data)
    intent = copy.deepcopy(store.get("payment_intent", charge["payment_intent"]))
    intent |= {"id": "pi_other", "metadata": {}, "customer": None, "latest_charge": "ch_other"}
    store.add(intent)
    store.add(charge | {"id": "ch_other", "payment_intent": "pi_other", "customer": None, "metadata": {}})
    refunds.create_refund({"charge": "ch_other", "amount": 100}, now=clock.now())
    disputes.open_dispute("ch_other", amount=100, now=clock.now())
    list(store_copies("refund", REFUNDS))
    list(store_copies("dispute", DISPUTES))
    with connection.cursor() as cursor:  # the server does so by itself, but in a transaction
        cursor.execute("ANALYZE")


def test_are_compared_in_constant_memory(
    alice_client: APIClient, run_jobs: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    make_many(alice_client, run_jobs)
    listed = ("checkout.session", "customer", "invoice", "refund", "dispute")
    assert sum(store.rows(kind).count() for kind in listed) >= 100_000
    begun_at, held, last = clock.now(), [], 0

    class Watched:
        """Takes the progress lines, and notes the memory at each."""

        def write(self, text: str) -> None:
            held.append(memory_bytes())

        def flush(self) -> None:
            """Nothing waits."""

    call_command("reconcile_stripe", stderr=Watched())
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.endswith("0 repaired, 0 differences remain.")
    assert int(said.split()[0]) >= 100_000 + 2 * OURS
    last = held[-1]
    settled = held[len(held) // 10]
    seconds = (clock.now() - begun_at).total_seconds()
    with capsys.disabled():
        print(  # noqa: T201 - a figure that a person wants to see
            f"\n{said} {seconds:.0f} s; {settled / 1e6:.0f} MB after a tenth, at most {max(held) / 1e6:.0f} MB,"
            f" {last / 1e6:.0f} MB in the end"
        )
    assert max(held[len(held) // 10 :]) - settled < MAY_GROW_BYTES
