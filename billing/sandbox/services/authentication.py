"""3-D Secure, whatever the payment is for: a Checkout session, an invoice, an intent of its own, or saving a card."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import transaction

from billing.sandbox import cards, store
from billing.sandbox.errors import ResourceMissing, UnexpectedState
from billing.sandbox.objects import payment as payment_objects
from billing.sandbox.services import checkout, events, invoices, payments, setup_intents

Data = dict[str, Any]
Outcome = Literal["complete", "fail"]


@dataclass(frozen=True)
class Authentication:
    """A payment intent or setup intent and what it belongs to, where it belongs to something."""

    intent: Data
    session: Data | None = None
    invoice: Data | None = None

    @property
    def is_waiting(self) -> bool:
        return bool(self.intent["status"] == "requires_action")


def get_authentication(intent_id: str) -> Authentication:
    """This will return what the page of an intent shows.

    :raises ResourceMissing: for an unknown intent.
    """
    intent = store.find_any(intent_id)
    if intent is None or intent["object"] not in ("payment_intent", "setup_intent"):
        raise ResourceMissing("payment_intent", intent_id, "intent")
    session = store.find_first("checkout.session", private__payment_intent=intent_id)
    payment = store.find_first("invoice_payment", payment_intent=intent_id)
    return Authentication(intent, session, store.get("invoice", payment["invoice"]) if payment else None)


def answer(intent_id: str, *, outcome: Outcome, now: datetime) -> Authentication:
    """This will play the customer who passes or fails, and return what is then.

    :raises ResourceMissing: for an unknown intent.
    :raises UnexpectedState: when it does not wait for that, or its Checkout session is not open.
    """
    found = get_authentication(intent_id)
    if found.intent["object"] == "setup_intent":
        _answer_setup(intent_id, outcome=outcome, now=now)
    elif found.session is not None and found.session["status"] != "complete":
        play = checkout.complete_authentication if outcome == "complete" else checkout.fail_authentication
        play(session_id=found.session["id"], now=now)
    else:
        _answer_payment(intent_id, outcome=outcome, now=now)
    return get_authentication(intent_id)


@transaction.atomic
def _answer_payment(intent_id: str, *, outcome: Outcome, now: datetime) -> None:
    play = payments.complete_authentication if outcome == "complete" else payments.fail_authentication
    invoices.settle_by_intent(play(intent_id, now=now), now=now)


@transaction.atomic
def _answer_setup(intent_id: str, *, outcome: Outcome, now: datetime) -> None:
    intent = store.lock("setup_intent", intent_id)
    if intent["status"] != "requires_action":
        raise UnexpectedState(f"This SetupIntent does not wait for authentication: it is {intent['status']}.")
    if outcome == "complete":
        setup_intents.complete_authentication(intent_id, now=now)
        return
    refusal = cards.REFUSALS["authentication_failed"]
    payment_method = store.get("payment_method", intent["payment_method"])
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_setup_error": payment_objects.payment_error(
            code="setup_intent_authentication_failure",
            message=refusal.message,
            decline_code=None,
            payment_method=payment_method,
            charge=None,
        ),
    }
    store.save(intent)
    events.emit("setup_intent.setup_failed", intent, now=now)
