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


@transaction.atomic
def settle_debit(intent_id: str, *, now: datetime, outcome: Literal["succeed", "fail"] | None = None) -> Data:
    """This will play the bank's answer and return the payment intent; without `outcome` the test account decides.

    :raises ResourceMissing: for an unknown intent.
    :raises UnexpectedState: when it is not being processed.
    """
    # The payment before its session, whoever answers: time begins with the payment.
    waiting = store.lock("payment_intent", intent_id)["status"] == "processing"
    session = store.find_first("checkout.session", private__payment_intent=intent_id)
    if session is not None and waiting:
        checkout.settle_bank_debit(session_id=session["id"], outcome=outcome, now=now)
        return store.get("payment_intent", intent_id)
    intent = payments.settle_bank_debit(intent_id, outcome=outcome, now=now)
    # A debit that fails took the place of an automatic attempt: the next one follows it.
    invoices.settle_by_intent(intent, is_automatic=True, now=now)
    return intent


def do_what_is_due(*, object_id: str, now: datetime) -> Data:
    """This will let the bank answer a debit as its test account is made for."""
    return settle_debit(object_id, now=now)
