"""Who she is, how she pays, and what names her."""

import json
from typing import Any

from django.contrib.sessions.models import Session
from django.db import connection
from rest_framework.test import APIClient

from billing.sandbox import store
from billing.sandbox.services import checkout
from billing.tests.conftest import GOOD_CARD
from smartspec import clock

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


def rows_that_name(*words: str) -> list[str]:
    """Walk every table, and return the rows that name one of the words."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if not table.startswith(OUTSIDE):
                cursor.execute(f'SELECT t::text FROM "{table}" t')
                rows = [row for (row,) in cursor.fetchall()]
                if table == "cache":  # an address is counted there for as long as its limit of log-ins lasts: minutes
                    rows = [row for row in rows if ADDRESS not in row]
                found += [f"{table}: {row}" for row in rows if any(word.lower() in row.lower() for word in words)]
    return found


def sessions_that_name(*traces: str) -> list[str]:
    """Return what is in the sessions that name her; the table itself keeps it in a form that cannot be searched."""
    contents = [json.dumps(session.get_decoded()) for session in Session.objects.all()]
    return [content for content in contents if any(trace in content for trace in traces)]


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
