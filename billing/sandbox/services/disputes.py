"""Disputes: a bank takes a payment back, or asks about it, and decides in the end.

https://docs.stripe.com/disputes/how-disputes-work and /disputes/responding
"""

import copy
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import transaction

from billing.sandbox import cards, changes, store
from billing.sandbox.errors import ParameterInvalid, UnexpectedState
from billing.sandbox.objects import dispute as dispute_objects
from billing.sandbox.objects import payment as payment_objects
from billing.sandbox.services import events

Data = dict[str, Any]

FEE_CENTS = 1500
ANSWERED_WITHIN = timedelta(days=9)
DECIDED_AFTER = timedelta(minutes=1)  # a test bank decides as soon as it has the evidence
INQUIRY_LASTS = timedelta(days=120)

OPEN = {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}


@transaction.atomic
def open_dispute(
    charge_id: str, *, now: datetime, reason: str = "fraudulent", is_inquiry: bool = False, amount: int | None = None
) -> Data:
    """This will play a bank that disputes a charge, whole or in part, and takes the money; an inquiry takes nothing.

    :raises UnexpectedState: when the charge is not paid, is refunded, or is disputed already.
    """
    before = store.lock("charge", charge_id, param="charge")
    if not before["paid"] or before["refunded"]:
        raise UnexpectedState(f"Charge {charge_id} is not paid, or is refunded: it cannot be disputed.")
    if before["disputed"]:
        raise UnexpectedState(f"Charge {charge_id} is disputed already.", code="charge_disputed")
    disputed = amount or before["amount"] - before["amount_refunded"]
    if not 0 < disputed <= before["amount"]:
        raise ParameterInvalid("amount", "The disputed amount must be a part of the charge.")
    dispute = dispute_objects.new_dispute(
        charge=before,
        amount=disputed,
        reason=reason,
        is_inquiry=is_inquiry,
        due_by=store.timestamp(now + ANSWERED_WITHIN),
        now=store.timestamp(now),
    )
    due_at = now + INQUIRY_LASTS if is_inquiry else store.moment(dispute["evidence_details"]["due_by"])
    store.add(dispute, due_at=due_at, clock=store.find_clock([charge_id]))
    store.set_due(charge_id, None)
    events.update(before | {"disputed": True}, before=before, event_type="charge.updated", now=now)
    events.emit("charge.dispute.created", dispute, now=now)
    if not is_inquiry:
        _move_funds(dispute, now=now)
    return dispute


@transaction.atomic
def update_dispute(dispute_id: str, params: Data, *, now: datetime) -> Data:
    """This will add evidence and, unless `submit` is false, hand it to the bank.

    :raises UnexpectedState: when the dispute is closed.
    """
    before = _lock_open(dispute_id)
    dispute = copy.deepcopy(before)
    changes.set_metadata(dispute, params)
    if "evidence" in params:
        for name, value in (params["evidence"] or {}).items():
            if name not in dispute["evidence"]:
                raise ParameterInvalid(f"evidence[{name}]", f"Received unknown parameter: evidence[{name}]")
            dispute["evidence"][name] = value or None
        dispute["evidence_details"]["has_evidence"] = True
    submits = params.get("submit", True) and dispute["evidence_details"]["has_evidence"]
    if submits and ("evidence" in params or "submit" in params):
        dispute["status"] = "warning_under_review" if _is_inquiry(dispute) else "under_review"
        dispute["evidence_details"]["submission_count"] += 1
    events.update(dispute, before=before, event_type="charge.dispute.updated", now=now)
    if dispute["status"] == "under_review" or _escalates(dispute):
        store.set_due(dispute_id, now + DECIDED_AFTER)
    return dispute


@transaction.atomic
def close_dispute(
    dispute_id: str, *, now: datetime, outcome: Literal["won", "lost", "warning_closed"] | None = None
) -> Data:
    """This will end a dispute; without an `outcome` it is accepted, which loses it (an inquiry is only closed).

    :raises UnexpectedState: when it is closed.
    """
    before = _lock_open(dispute_id)
    if _is_inquiry(before):
        outcome = "warning_closed"
    dispute = before | {"status": outcome or "lost", "is_charge_refundable": outcome == "warning_closed"}
    store.set_due(dispute_id, None)
    store.save(dispute)
    if dispute["status"] == "warning_closed":
        charge = store.lock("charge", dispute["charge"])
        events.update(charge | {"disputed": False}, before=charge, event_type="charge.updated", now=now)
    if dispute["status"] == "won":
        _move_funds(dispute, now=now, comes_back=True)
        dispute = store.get("dispute", dispute_id)
    events.emit("charge.dispute.closed", dispute, now=now, before=before)
    return dispute


@transaction.atomic
def escalate_inquiry(dispute_id: str, *, now: datetime) -> Data:
    """This will play a bank that makes a dispute of its inquiry and takes the money.

    :raises UnexpectedState: when it is no open inquiry.
    """
    before = _lock_open(dispute_id)
    if not _is_inquiry(before):
        raise UnexpectedState(f"Dispute {dispute_id} is no inquiry.")
    dispute = copy.deepcopy(before)
    dispute |= {"status": "needs_response", "is_charge_refundable": False}
    dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    dispute["evidence_details"]["due_by"] = store.timestamp(now + ANSWERED_WITHIN)
    events.update(dispute, before=before, event_type="charge.dispute.updated", now=now)
    store.set_due(dispute_id, now + ANSWERED_WITHIN)
    _move_funds(dispute, now=now)
    return store.get("dispute", dispute_id)


@transaction.atomic
def do_what_is_due(*, object_id: str, now: datetime) -> Data:
    """This will let the bank decide on the evidence, or the dispute be lost because none came in time.

    `winning_evidence` as the text of the evidence wins and anything else loses; `escalate_inquiry_evidence` makes a
    dispute of an inquiry (https://docs.stripe.com/testing#evidence).
    """
    dispute = store.lock("dispute", object_id)
    if dispute["status"] not in OPEN:
        store.set_due(object_id, None)
        return dispute
    if _escalates(dispute):
        return escalate_inquiry(object_id, now=now)
    has_won = dispute["status"] == "under_review" and dispute["evidence"]["uncategorized_text"] == "winning_evidence"
    return close_dispute(object_id, outcome="won" if has_won else "lost", now=now)


@transaction.atomic
def open_due_dispute(*, object_id: str, now: datetime) -> Data:
    """This will dispute the charge of a test card that is made for it, unless it was refunded before."""
    charge = store.lock("charge", object_id)
    store.set_due(object_id, None)
    reason, is_inquiry = cards.DISPUTES[store.get_private(charge["payment_method"])["outcome"]]
    if charge["refunded"] or charge["disputed"]:
        return charge
    return open_dispute(object_id, reason=reason, is_inquiry=is_inquiry, now=now)


def _move_funds(dispute: Data, *, now: datetime, comes_back: bool = False) -> None:
    """Take the disputed amount from the account's balance, with Stripe's fee, or put it back."""
    sign = 1 if comes_back else -1
    line = payment_objects.new_balance_transaction(
        amount=sign * dispute["amount"],
        currency=dispute["currency"],
        kind="adjustment",
        source=dispute["id"],
        description=f"Chargeback {'reversal' if comes_back else 'withdrawal'} for {dispute['charge']}",
        fee=0 if comes_back else FEE_CENTS,
        now=store.timestamp(now),
    ) | {"reporting_category": "dispute_reversal" if comes_back else "dispute"}
    store.add(line)
    dispute = dispute | {"balance_transactions": [*dispute["balance_transactions"], line]}
    store.save(dispute)
    events.emit(f"charge.dispute.funds_{'reinstated' if comes_back else 'withdrawn'}", dispute, now=now)


def _lock_open(dispute_id: str) -> Data:
    dispute = store.lock("dispute", dispute_id, param="dispute")
    if dispute["status"] not in OPEN:
        raise UnexpectedState("This dispute is already closed")
    return dispute


def _escalates(dispute: Data) -> bool:
    is_handed_in = dispute["status"] == "warning_under_review"
    return is_handed_in and dispute["evidence"]["uncategorized_text"] == "escalate_inquiry_evidence"


def _is_inquiry(dispute: Data) -> bool:
    return bool(dispute["status"].startswith("warning_"))
