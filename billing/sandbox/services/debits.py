"""Bank debits that wait for the bank's answer, whatever they pay for."""

from datetime import datetime
from typing import Any, Literal

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.services import checkout, invoices, payments

Data = dict[str, Any]


def list_open_debits() -> list[Data]:
    """This will return the payment intents that are being processed, the newest first."""
    return store.find("payment_intent", status="processing")


def settle_debit(intent_id: str, *, outcome: Literal["succeed", "fail"], now: datetime) -> Data:
    """This will play the bank's answer and return the payment intent.

    :raises ResourceMissing: for an unknown intent.
    :raises UnexpectedState: when it is not being processed.
    """
    session = store.find_first("checkout.session", private__payment_intent=intent_id)
    if session is not None and store.get("payment_intent", intent_id)["status"] == "processing":
        checkout.settle_bank_debit(session_id=session["id"], outcome=outcome, now=now)
        return store.get("payment_intent", intent_id)
    with transaction.atomic():
        intent = payments.settle_bank_debit(intent_id, outcome=outcome, now=now)
        # A debit that fails took the place of an automatic attempt: the next one follows it.
        invoices.settle_by_intent(intent, is_automatic=True, now=now)
    return intent
