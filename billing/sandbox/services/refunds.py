import copy
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import transaction

from billing.sandbox import cards, changes, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, UnexpectedState
from billing.sandbox.objects import payment as payment_objects
from billing.sandbox.services import events

Data = dict[str, Any]

# Test cards whose refunds go on by themselves do so after this; a bank account is paid back within days.
SETTLED_AFTER = timedelta(minutes=1)
DEBIT_SETTLED_AFTER = timedelta(days=3)


@transaction.atomic
def create_refund(params: Data, *, now: datetime) -> Data:
    """This will refund a charge, whole or in part.

    :raises UnexpectedState: when the charge is not paid or is refunded already.
    :raises ParameterInvalid: for more than what is left.
    """
    charge_before = store.lock("charge", _charge_id(params), param="charge", status=400)
    if charge_before["refunded"]:
        raise UnexpectedState(
            f"Charge {charge_before['id']} has already been refunded.", code="charge_already_refunded"
        )
    if not charge_before["paid"]:
        raise UnexpectedState(f"Charge {charge_before['id']} is not paid.", code="charge_not_refundable")
    if charge_before["disputed"] and not _may_refund_disputed(charge_before["id"]):
        raise UnexpectedState(
            f"Charge {charge_before['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    left = charge_before["amount"] - charge_before["amount_refunded"]
    amount = params.get("amount", left)
    if amount < 1:
        raise ParameterInvalid("amount", "Invalid positive integer", code="parameter_invalid_integer")
    if amount > left:
        raise ParameterInvalid(
            "amount",
            f"Refund amount (${amount / 100:.2f}) is greater than unrefunded amount on charge (${left / 100:.2f})",
        )
    refund = payment_objects.new_refund(
        charge=charge_before,
        amount=amount,
        reason=params.get("reason"),
        metadata=changes.merge_metadata({}, params.get("metadata") or {}),
        now=store.timestamp(now),
    )
    outcome = store.get_private(charge_before["payment_method"])["outcome"]
    is_debit = charge_before["payment_method_details"]["type"] == "us_bank_account"
    due_at = now + DEBIT_SETTLED_AFTER if is_debit else None
    if outcome in (cards.REFUNDS_LATER, cards.REFUND_FAILS):
        due_at = now + SETTLED_AFTER
    if is_debit or outcome == cards.REFUNDS_LATER:
        refund |= {"status": "pending", "pending_reason": "processing"}
    line = payment_objects.new_balance_transaction(
        amount=-amount,
        currency=refund["currency"],
        kind="refund",
        source=refund["id"],
        description=f"REFUND FOR CHARGE ({charge_before['description'] or charge_before['id']})",
        fee=0,
        now=store.timestamp(now),
    )
    refund["balance_transaction"] = store.add(line)["id"]
    store.add(refund, due_at=due_at, clock=store.find_clock([charge_before["id"]]))
    charge = copy.deepcopy(charge_before)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    events.emit("refund.created", refund, now=now)
    events.update(charge, before=charge_before, event_type="charge.refunded", now=now)
    return refund


@transaction.atomic
def update_refund(refund_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a refund's metadata."""
    before = store.lock("refund", refund_id)
    refund = copy.deepcopy(before)
    changes.set_metadata(refund, params)
    return events.update(refund, before=before, event_type="refund.updated", now=now)


@transaction.atomic
def settle_refund(
    refund_id: str, *, outcome: Literal["succeed", "fail"], now: datetime, failure_reason: str = "unknown"
) -> Data:
    """This will play the bank's answer to a refund. One that succeeded may still fail later: the money comes back.

    https://docs.stripe.com/refunds#failed-refunds

    :raises UnexpectedState: when the refund is final already.
    """
    before = store.lock("refund", refund_id, param="refund")
    if before["status"] not in ("pending", "succeeded") or (outcome == "succeed" and before["status"] != "pending"):
        raise UnexpectedState(f"This refund is {before['status']}.")
    store.set_due(refund_id, None)
    refund = {name: value for name, value in before.items() if name != "pending_reason"}
    if outcome == "succeed":
        refund["status"] = "succeeded"
        _emit_update(refund, before=before, now=now)
        return refund
    line = payment_objects.new_balance_transaction(
        amount=refund["amount"],
        currency=refund["currency"],
        kind="refund_failure",
        source=refund["id"],
        description=f"REFUND FAILURE FOR {refund['charge']}",
        fee=0,
        now=store.timestamp(now),
    )
    refund |= {
        "status": "failed",
        "failure_reason": failure_reason,
        "failure_balance_transaction": store.add(line)["id"],
    }
    charge_before = store.lock("charge", refund["charge"])
    charge = charge_before | {
        "amount_refunded": charge_before["amount_refunded"] - refund["amount"],
        "refunded": False,
    }
    store.save(charge)
    _emit_update(refund, before=before, now=now)
    events.emit("refund.failed", refund, now=now, before=before)
    return refund


@transaction.atomic
def do_what_is_due(*, object_id: str, now: datetime) -> Data:
    """This will let a refund go on as its card or account is made for."""
    refund = store.lock("refund", object_id)
    outcome = store.get_private(refund["payment_method"])["outcome"]
    if refund["status"] == "pending":
        return settle_refund(object_id, outcome="succeed", now=now)
    if refund["status"] == "succeeded" and outcome == cards.REFUND_FAILS:
        return settle_refund(object_id, outcome="fail", failure_reason="expired_or_canceled_card", now=now)
    store.set_due(object_id, None)
    return refund


def _emit_update(refund: Data, *, before: Data, now: datetime) -> None:
    """Say that a refund changed, by the event of today and by the older one about its charge."""
    events.update(refund, before=before, event_type="refund.updated", now=now)
    events.emit("charge.refund.updated", refund, now=now, before=before)


def _may_refund_disputed(charge_id: str) -> bool:
    """Say whether the newest dispute of a charge leaves it refundable, as an inquiry does."""
    dispute = next(iter(store.find("dispute", data__charge=charge_id)), None)
    return dispute is None or bool(dispute["is_charge_refundable"])


def _charge_id(params: Data) -> str:
    if "charge" in params:
        return str(params["charge"])
    if "payment_intent" not in params:
        raise ParameterMissing("charge")
    intent = store.get("payment_intent", params["payment_intent"], param="payment_intent", status=400)
    if intent["latest_charge"] is None:
        raise UnexpectedState(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
    return str(intent["latest_charge"])
