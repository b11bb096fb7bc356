import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, UnexpectedState
from billing.sandbox.objects import payment as payment_objects
from billing.sandbox.services import events

Data = dict[str, Any]


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
    store.add(refund)
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


def _charge_id(params: Data) -> str:
    if "charge" in params:
        return str(params["charge"])
    if "payment_intent" not in params:
        raise ParameterMissing("charge")
    intent = store.get("payment_intent", params["payment_intent"], param="payment_intent", status=400)
    if intent["latest_charge"] is None:
        raise UnexpectedState(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
    return str(intent["latest_charge"])
