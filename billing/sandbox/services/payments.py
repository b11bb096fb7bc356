"""Payment intents and their charges: one attempt, its outcome, and what comes later from the bank."""

import copy
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from billing.sandbox import cards, changes, store
from billing.sandbox.errors import CardDeclined, ParameterInvalid, UnexpectedState
from billing.sandbox.objects import payment as payment_objects
from billing.sandbox.services import events, payment_methods

Data = dict[str, Any]

MINIMUM_CENTS = 50
INTENT_FIELDS = (
    "amount",
    "currency",
    "customer",
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
FINAL = {"succeeded", "canceled"}
DISPUTED_AFTER = timedelta(minutes=1)
# A bank's answer to a debit takes days; a person at a demonstration waits this long.
SETTLES_AFTER = timedelta(seconds=15)


@transaction.atomic
def create_intent(
    *,
    amount: int,
    currency: str,
    customer: str | None,
    payment_method_types: list[str],
    now: datetime,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
    receipt_email: str | None = None,
    setup_future_usage: str | None = None,
) -> Data:
    """This will create a payment intent over so many cents.

    :raises ParameterInvalid: below Stripe's minimum.
    """
    if amount < MINIMUM_CENTS:
        raise ParameterInvalid(
            "amount",
            f"Amount must be at least $0.50 {currency}",
            code="amount_too_small",
        )
    intent = payment_objects.new_payment_intent(
        amount=amount,
        currency=currency,
        customer=customer,
        payment_method_types=payment_method_types,
        description=description,
        metadata=metadata,
        receipt_email=receipt_email,
        setup_future_usage=setup_future_usage,
        now=store.timestamp(now),
    )
    store.add(intent)
    events.emit("payment_intent.created", intent, now=now)
    return intent


@transaction.atomic
def update_intent(intent_id: str, params: Data, *, now: datetime) -> Data:
    """This will change an intent that is not paid yet.

    :raises UnexpectedState: when it is.
    """
    before = store.lock("payment_intent", intent_id, param="intent")
    intent = copy.deepcopy(before)
    money = {"amount", "currency", "customer", "payment_method"} & params.keys()
    if money and intent["status"] in FINAL | {"processing"}:
        raise UnexpectedState(
            f"This PaymentIntent's {sorted(money)[0]} could not be updated because it has a status of "
            f"{intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    changes.set_fields(intent, params, INTENT_FIELDS)
    changes.set_metadata(intent, params)
    if "automatic_payment_methods" in params:
        intent["automatic_payment_methods"] = {"allow_redirects": "always"} | params["automatic_payment_methods"]
    if "payment_method" in params:
        intent["payment_method"] = payment_methods.get_usable(
            params["payment_method"], customer=intent["customer"], now=now
        )["id"]
        intent["status"] = "requires_confirmation"
    # Stripe sends no event for this.
    return store.save(intent)


@transaction.atomic
def confirm_intent(
    intent_id: str, payment_method: Data, *, now: datetime, off_session: bool = False, return_url: str | None = None
) -> Data:
    """This will try to pay an intent with a payment method and return it as it then is.

    A refusal is no exception here: the intent comes back with `requires_payment_method` and `last_payment_error`.

    :raises UnexpectedState: when it is paid, being paid, or cancelled.
    """
    before = store.lock("payment_intent", intent_id, param="intent")
    _require_confirmable(before)
    intent = copy.deepcopy(before)
    intent |= {"payment_method": payment_method["id"], "last_payment_error": None, "next_action": None}
    private = store.get_private(payment_method["id"])
    outcome = private["outcome"]

    if payment_method["type"] == "us_bank_account":
        return _start_bank_debit(intent, payment_method, now=now)
    if _needs_authentication(outcome, is_set_up=private.get("is_set_up", False), off_session=off_session):
        if off_session:
            return _refuse(intent, payment_method, cards.REFUSALS["authentication_required"], now=now)
        return _ask_for_authentication(intent, return_url=return_url, now=now)
    if outcome == cards.FAILS_LATER:
        return _refuse(intent, payment_method, cards.REFUSALS["generic_decline"], now=now)
    if refusal := cards.REFUSALS.get(outcome):
        return _refuse(intent, payment_method, refusal, now=now)
    return _succeed(intent, payment_method, now=now)


@transaction.atomic
def complete_authentication(intent_id: str, *, now: datetime) -> Data:
    """This will play the customer who proves to their bank that it is them: the payment goes through, unless the card
    is one that is refused all the same.

    :raises UnexpectedState: when the intent does not wait for that.
    """
    intent = _lock_waiting_for_authentication(intent_id)
    payment_method = store.get("payment_method", intent["payment_method"])
    if intent["setup_future_usage"]:
        store.set_private(payment_method["id"], is_set_up=True)
    intent["next_action"] = None
    if refusal := cards.REFUSALS.get(store.get_private(payment_method["id"]).get("after", cards.PAYS)):
        return _refuse(intent, payment_method, refusal, now=now)
    return _succeed(intent, payment_method, now=now, authenticated=True)


@transaction.atomic
def fail_authentication(intent_id: str, *, now: datetime) -> Data:
    """This will play the customer who cannot or will not: the payment method is refused.

    :raises UnexpectedState: when the intent does not wait for that.
    """
    intent = _lock_waiting_for_authentication(intent_id)
    payment_method = store.get("payment_method", intent["payment_method"])
    intent["next_action"] = None
    return _refuse(intent, payment_method, cards.REFUSALS["authentication_failed"], now=now, makes_charge=False)


@transaction.atomic
def settle_bank_debit(intent_id: str, *, now: datetime, outcome: str | None = None) -> Data:
    """This will play the bank's late answer: `outcome` is `succeed` or `fail`, else what the test account number means.

    :raises UnexpectedState: when the intent is not being processed.
    """
    intent = store.lock("payment_intent", intent_id)
    if intent["status"] != "processing":
        raise UnexpectedState(
            f"This PaymentIntent is {intent['status']}, not processing.", code="payment_intent_unexpected_state"
        )
    payment_method = store.get("payment_method", intent["payment_method"])
    meant = store.get_private(payment_method["id"])["outcome"]
    fails = outcome == "fail" or (outcome is None and meant != cards.PAYS)
    intent["processing"] = None
    store.set_due(intent_id, None)
    charge_before = store.lock("charge", intent["latest_charge"])
    charge = copy.deepcopy(charge_before)
    if not fails:
        charge |= {"status": "succeeded", "paid": True}
        events.update(charge, before=charge_before, event_type="charge.succeeded", now=now)
        return _note_success(intent, charge, now=now)
    refusal = cards.REFUSALS.get(meant, cards.REFUSALS["debit_insufficient_funds"])
    charge |= _failed_charge_fields(refusal) | {"status": "failed", "captured": False, "amount_captured": 0}
    events.update(charge, before=charge_before, event_type="charge.failed", now=now)
    return _note_refusal(intent, payment_method, refusal, charge=charge["id"], now=now)


@transaction.atomic
def cancel_intent(intent_id: str, *, reason: str | None, now: datetime) -> Data:
    """This will cancel an intent that is not paid.

    :raises UnexpectedState: when it is paid or being paid.
    """
    before = store.lock("payment_intent", intent_id, param="intent")
    if before["status"] in FINAL | {"processing"}:
        raise UnexpectedState(
            f"You cannot cancel this PaymentIntent because it has a status of {before['status']}. Only a PaymentIntent "
            "with one of the following statuses may be canceled: requires_payment_method, requires_capture, "
            "requires_confirmation, requires_action, processing.",
            code="payment_intent_unexpected_state",
            payment_intent=before,
        )
    intent = before | {
        "status": "canceled",
        "canceled_at": store.timestamp(now),
        "cancellation_reason": reason,
        "next_action": None,
    }
    return events.update(intent, before=before, event_type="payment_intent.canceled", now=now)


def raise_if_refused(intent: Data) -> Data:
    """This will turn an intent of either kind that was refused into the 402 that the API answers with."""
    kind = intent["object"]
    error = intent["last_setup_error" if kind == "setup_intent" else "last_payment_error"]
    if intent["status"] != "requires_payment_method" or error is None:
        return intent
    named: dict[str, Any] = {kind: intent} | ({"charge": error["charge"]} if error.get("charge") else {})
    raise CardDeclined(
        error["message"],
        code=error["code"],
        decline_code=error.get("decline_code"),
        payment_method=error["payment_method"],
        **named,
    )


def authentication_url(intent_id: str) -> str:
    """This will return the address of the page where a customer completes or fails 3-D Secure."""
    return f"{settings.STRIPE_API_BASE}/authenticate/{intent_id}"


def _needs_authentication(outcome: str, *, is_set_up: bool, off_session: bool) -> bool:
    if outcome == cards.ALWAYS_AUTHENTICATES:
        return True
    if outcome == cards.ASKS_IN_PERSON:
        return not off_session
    return outcome == cards.AUTHENTICATES and not is_set_up


def _require_confirmable(intent: Data) -> None:
    if intent["status"] in FINAL | {"processing"}:
        done = {"succeeded": "already succeeded", "canceled": "been canceled"}.get(intent["status"], "not been settled")
        raise UnexpectedState(
            "You cannot confirm this PaymentIntent because it has "
            f"{done}{' after being previously confirmed' if intent['status'] == 'succeeded' else ''}.",
            code="payment_intent_unexpected_state",
            payment_intent=intent,
        )


def _lock_waiting_for_authentication(intent_id: str) -> Data:
    intent = store.lock("payment_intent", intent_id)
    if intent["status"] != "requires_action":
        raise UnexpectedState(
            f"This PaymentIntent does not wait for authentication: it is {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    return intent


def _ask_for_authentication(intent: Data, *, return_url: str | None, now: datetime) -> Data:
    intent["status"] = "requires_action"
    intent["next_action"] = payment_objects.next_action_to_authenticate(
        url=authentication_url(intent["id"]), return_url=return_url
    )
    store.save(intent)
    events.emit("payment_intent.requires_action", intent, now=now)
    return intent


def _succeed(intent: Data, payment_method: Data, *, now: datetime, authenticated: bool = False) -> Data:
    charge = payment_objects.new_charge(
        intent=intent, payment_method=payment_method, status="succeeded", now=store.timestamp(now)
    )
    charge["receipt_url"] = _receipt_url(charge["id"])
    if authenticated:
        charge["payment_method_details"]["card"]["three_d_secure"] = payment_objects.three_d_secure(
            result="authenticated"
        )
    # A test card that is disputed is so by itself, a little later.
    is_disputed = store.get_private(payment_method["id"])["outcome"] in cards.DISPUTES
    store.add(charge, due_at=now + DISPUTED_AFTER if is_disputed else None)
    events.emit("charge.succeeded", charge, now=now)
    return _note_success(intent, charge, now=now)


def _note_success(intent: Data, charge: Data, *, now: datetime) -> Data:
    intent |= {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "latest_charge": charge["id"],
        "last_payment_error": None,
    }
    store.save(intent)
    events.emit("payment_intent.succeeded", intent, now=now)
    # The balance transaction comes a moment after the charge, and an event of its own says so.
    line = payment_objects.new_balance_transaction(
        amount=charge["amount"],
        currency=charge["currency"],
        kind="charge" if charge["payment_method_details"]["type"] == "card" else "payment",
        source=charge["id"],
        description=charge["description"],
        fee=payment_objects.stripe_fee(charge["amount"]),
        now=store.timestamp(now),
    )
    store.add(line)
    before = store.get("charge", charge["id"])
    events.update(before | {"balance_transaction": line["id"]}, before=before, event_type="charge.updated", now=now)
    return intent


def _start_bank_debit(intent: Data, payment_method: Data, *, now: datetime) -> Data:
    charge = payment_objects.new_charge(
        intent=intent, payment_method=payment_method, status="pending", now=store.timestamp(now)
    )
    charge["receipt_url"] = _receipt_url(charge["id"])
    store.add(charge)
    events.emit("charge.pending", charge, now=now)
    intent |= {"status": "processing", "latest_charge": charge["id"]}
    store.save(intent)
    if store.get_private(payment_method["id"])["outcome"] != cards.STAYS_PROCESSING:
        store.set_due(intent["id"], now + SETTLES_AFTER)
    events.emit("payment_intent.processing", intent, now=now)
    return intent


def _refuse(
    intent: Data, payment_method: Data, refusal: cards.Refusal, *, now: datetime, makes_charge: bool = True
) -> Data:
    if not makes_charge:
        return _note_refusal(intent, payment_method, refusal, charge=None, now=now)
    charge = payment_objects.new_charge(
        intent=intent, payment_method=payment_method, status="failed", now=store.timestamp(now)
    )
    charge |= _failed_charge_fields(refusal)
    store.add(charge)
    events.emit("charge.failed", charge, now=now)
    intent["latest_charge"] = charge["id"]
    return _note_refusal(intent, payment_method, refusal, charge=charge["id"], now=now)


def _note_refusal(
    intent: Data, payment_method: Data, refusal: cards.Refusal, *, charge: str | None, now: datetime
) -> Data:
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": payment_objects.payment_error(
            code=refusal.code,
            message=refusal.message,
            decline_code=refusal.decline_code,
            payment_method=payment_method,
            charge=charge,
        ),
    }
    store.save(intent)
    events.emit("payment_intent.payment_failed", intent, now=now)
    return intent


def _failed_charge_fields(refusal: cards.Refusal) -> Data:
    return {
        "failure_code": refusal.code,
        "failure_message": refusal.message,
        "paid": False,
        "outcome": {
            "advice_code": "try_again_later" if refusal.decline_code == "insufficient_funds" else None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "declined_by_network",
            "reason": refusal.decline_code or refusal.code,
            "risk_level": "normal",
            "risk_score": 30,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        },
    }


def _receipt_url(charge_id: str) -> str:
    return f"{settings.STRIPE_API_BASE}/receipt/{charge_id}"
