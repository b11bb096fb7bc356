"""Who she is, how she pays, and what names her."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from django.contrib.sessions.models import Session
from django.db import connection
from djstripe.models import Charge
from rest_framework.test import APIClient

from billing.models import Customer, Purchase, Subscription
from billing.sandbox import store
from billing.sandbox.services import checkout
from billing.tests.conftest import GOOD_CARD
from smartspec import clock
from smartspec.users.models import User

EMAIL, NAME = "zephyrine.quillfeather@smartspec.test", "Zephyrine Quillfeather"
POSTAL_CODE, ADDRESS, BROWSER = "ZQ74XY", "203.0.113.77", "Quillbrowser/1.0"
TRACES = (EMAIL, NAME, POSTAL_CODE, ADDRESS, BROWSER)


# What Stripe itself knows: on a real server these tables are not ours.
OUTSIDE = ("billing_sandbox_",)


def pay(session_id: str) -> None:
    card = checkout.CardFields(
        number=GOOD_CARD, expiry="12 / 34", cvc="123", name=NAME, email=EMAIL, postal_code=POSTAL_CODE
    )
    checkout.pay_with_card(session_id=session_id, card=card, now=clock.now())


def rows_that_name(*words: str, table: str = "") -> list[str]:
    """Walk every table, or one, and return the rows that name one of the words, also where they are encoded."""
    forms = {form.lower() for word in words for form in forms_of(word)}
    found = []
    for name in [table] if table else all_tables():
        found += [f"{name}: {row}" for row in rows_of(name) if any(form in row.lower() for form in forms)]
    return found


def rows_of(table: str) -> list[str]:
    """Return the rows of a table as texts."""
    if table == "django_session":  # which packs what it keeps
        return [f"{session.pk} {json.dumps(session.get_decoded())}" for session in Session.objects.all()]
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT t::text FROM "{table}" t')
        rows = [row for (row,) in cursor.fetchall()]
    # An address is counted in the cache for as long as its limit of log-ins lasts: minutes.
    return [row for row in rows if ADDRESS not in row] if table == "cache" else rows


def all_tables() -> list[str]:
    """Return every table that is ours on a real server."""
    with connection.cursor() as cursor:
        return [name for name in connection.introspection.table_names(cursor) if not name.startswith(OUTSIDE)]


def forms_of(word: str) -> Iterator[str]:
    """Yield a word as it stands in a row: as text, as bytes, and within what was written in base64."""
    yield word
    yield word.encode().hex()
    for before in range(3):
        encoded = b64encode(bytes(before) + word.encode()).decode()
        yield encoded.rstrip("=")[(8 * before + 5) // 6 : -1]


def things_of(user: User) -> list[str]:
    """Return what a row that is about her may know her by: what names her, her ids, and those of what she has."""
    customer = Customer.objects.get(user=user)
    of_hers: list[Any] = [
        *Purchase.objects.filter(user=user).values_list("pk", flat=True),
        *Subscription.objects.filter(user=user).values_list("pk", flat=True),
        *Charge.objects.filter(customer__id=customer.pk).values_list("id", flat=True),
    ]
    return [*TRACES, str(user.pk), customer.pk, *map(str, of_hers)]


def card_taken_off() -> dict[str, Any]:
    """Return what Stripe tells when a card is taken off its customer."""
    event = next(event for event in store.find("event") if event["type"] == "payment_method.attached")
    customer_id, event["data"]["object"]["customer"] = event["data"]["object"]["customer"], None
    event["data"]["previous_attributes"] = {"customer": customer_id}
    return dict(event | {"type": "payment_method.detached"})


def export_of(client: APIClient) -> dict[str, Any]:
    """Return what she is given when she asks for all that is held about her."""
    content = client.get("/api/me/export").streaming_content  # type: ignore[attr-defined]
    return dict(json.loads(b"".join(content)))
