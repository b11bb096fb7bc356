"""Reading, expiring and adding up Checkout sessions."""

from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.errors import UnexpectedState
from billing.sandbox.services import events, payments

Data = dict[str, Any]


def get_session(session_id: str, *, now: datetime) -> Data:
    """This will return a session; one whose time is over is expired first.

    :raises ResourceMissing: for an unknown one.
    """
    session = store.get("checkout.session", session_id, param="session")
    if session["status"] == "open" and session["expires_at"] <= store.timestamp(now):
        return expire_if_due(object_id=session_id, now=now)
    return session


def list_line_items(session_id: str) -> list[Data]:
    """This will return what a session sells: `item` objects, in the order they were given."""
    store.get("checkout.session", session_id, param="session")
    items: list[Data] = store.get_private(session_id)["line_items"]
    return items


@transaction.atomic
def expire_session(session_id: str, *, now: datetime) -> Data:
    """This will close an open session for good.

    :raises UnexpectedState: when it is not open.
    """
    session = store.lock("checkout.session", session_id, param="session")
    if session["status"] != "open":
        raise UnexpectedState(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"`{session['status']}`."
        )
    return _expire(session, now=now)


@transaction.atomic
@events.by_themselves()
def expire_if_due(*, object_id: str, now: datetime) -> Data:
    """This will close a session whose time is over, and leave any other as it is."""
    session = store.lock("checkout.session", object_id)
    if session["status"] != "open":
        store.set_due(object_id, None)
        return session
    if session["expires_at"] > store.timestamp(now):
        return session
    return _expire(session, now=now)


def starts_free(session: Data) -> bool:
    """This will say whether a session sells a subscription that begins with a trial."""
    data = store.get_private(session["id"])["params"].get("subscription_data") or {}
    return session["mode"] == "subscription" and bool(data.get("trial_period_days") or data.get("trial_end"))


def lock_open(session_id: str, *, now: datetime) -> Data:
    """This will return an open session, kept from every other writer.

    :raises UnexpectedState: when it is paid or its time is over.
    """
    session = store.lock("checkout.session", session_id, param="session")
    if session["status"] == "open" and session["expires_at"] > store.timestamp(now):
        return session
    raise UnexpectedState(
        "This Checkout Session has already been completed."
        if session["status"] == "complete"
        else "This Checkout Session has expired.",
        code="checkout_session_" + ("complete" if session["status"] == "complete" else "expired"),
    )


def add_up(session: Data, items: list[Data]) -> None:
    """This will recompute what a session comes to."""
    subtotal = sum(item["amount_subtotal"] for item in items)
    discount = sum(item["amount_discount"] for item in items)
    session |= {"amount_subtotal": subtotal, "amount_total": subtotal - discount}
    session["total_details"] = {"amount_discount": discount, "amount_shipping": 0, "amount_tax": 0}


def _expire(session: Data, *, now: datetime) -> Data:
    session |= {"status": "expired", "url": None}
    store.save(session)
    store.set_due(session["id"], None)
    intent_id = store.get_private(session["id"]).get("payment_intent")
    if intent_id:
        intent = store.get("payment_intent", intent_id)
        if intent["status"] not in payments.FINAL | {"processing"}:
            payments.cancel_intent(intent_id, reason="automatic", now=now)
    events.emit("checkout.session.expired", session, now=now)
    return session
