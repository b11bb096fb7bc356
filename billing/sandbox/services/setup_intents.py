"""Saving a payment method without paying."""

import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import cards, changes, store
from billing.sandbox.errors import UnexpectedState
from billing.sandbox.objects import payment as payment_objects
from billing.sandbox.services import events, payment_methods, payments

Data = dict[str, Any]

# https://docs.stripe.com/api/setup_intents/cancel
UNFINISHED = ("requires_payment_method", "requires_confirmation", "requires_action")


@transaction.atomic
def create_setup_intent(params: Data, *, now: datetime) -> Data:
    """This will create a setup intent."""
    if "customer" in params:
        store.get("customer", params["customer"], param="customer", status=400)
    intent = payment_objects.new_setup_intent(
        customer=params.get("customer"),
        usage=params.get("usage", "off_session"),
        payment_method_types=params.get("payment_method_types") or ["card"],
        metadata=changes.merge_metadata({}, params.get("metadata") or {}),
        now=store.timestamp(now),
    )
    changes.set_fields(intent, params, ("description",))
    if "automatic_payment_methods" in params:
        intent["automatic_payment_methods"] = {"allow_redirects": "always"} | params["automatic_payment_methods"]
    if "payment_method" in params:
        intent |= {
            "payment_method": payment_methods.get_usable(
                params["payment_method"], customer=intent["customer"], now=now
            )["id"],
            "status": "requires_confirmation",
        }
    store.add(intent)
    events.emit("setup_intent.created", intent, now=now)
    return intent


@transaction.atomic
def confirm_setup_intent(
    intent_id: str, payment_method_id: str, *, now: datetime, return_url: str | None = None
) -> Data:
    """This will save the payment method to the intent's customer, or ask for authentication first.

    A refusal is no exception here: the intent comes back with `last_setup_error`.

    :raises UnexpectedState: when it has succeeded or was cancelled.
    """
    intent = copy.deepcopy(_lock_unfinished(intent_id, "confirm"))
    intent |= {"last_setup_error": None, "next_action": None}
    payment_method = payment_methods.get_usable(payment_method_id, customer=intent["customer"], now=now)
    private = store.get_private(payment_method["id"])
    outcome = private["outcome"]
    if outcome in (cards.AUTHENTICATES, cards.ALWAYS_AUTHENTICATES) and not private.get("is_set_up"):
        intent |= {
            "status": "requires_action",
            "payment_method": payment_method["id"],
            "next_action": payment_objects.next_action_to_authenticate(
                url=payments.authentication_url(intent_id), return_url=return_url
            ),
        }
        store.save(intent)
        events.emit("setup_intent.requires_action", intent, now=now)
        return intent
    refusal = cards.REFUSALS.get(outcome)
    if refusal and payment_method["type"] == "card":
        intent |= {
            "status": "requires_payment_method",
            "last_setup_error": payment_objects.payment_error(
                code=refusal.code,
                message=refusal.message,
                decline_code=refusal.decline_code,
                payment_method=payment_method,
                charge=None,
            ),
        }
        store.save(intent)
        events.emit("setup_intent.setup_failed", intent, now=now)
        return intent
    return _succeed(intent, payment_method, now=now)


@transaction.atomic
def complete_authentication(intent_id: str, *, now: datetime) -> Data:
    """This will play the customer who passes the check: the payment method is saved."""
    intent = copy.deepcopy(store.lock("setup_intent", intent_id))
    return _succeed(intent, store.get("payment_method", intent["payment_method"]), now=now)


@transaction.atomic
def cancel_setup_intent(intent_id: str, *, reason: str | None, now: datetime) -> Data:
    """This will cancel a setup intent that is not finished.

    :raises UnexpectedState: when it is.
    """
    before = _lock_unfinished(intent_id, "cancel")
    intent = before | {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    return events.update(intent, before=before, event_type="setup_intent.canceled", now=now)


def _lock_unfinished(intent_id: str, verb: str) -> Data:
    intent = store.lock("setup_intent", intent_id, param="intent")
    if intent["status"] not in UNFINISHED:
        raise UnexpectedState(
            f"You cannot {verb} this SetupIntent because it has a status of {intent['status']}. Only a SetupIntent "
            f"with one of the following statuses allows it: {', '.join(UNFINISHED)}.",
            code="setup_intent_unexpected_state",
            setup_intent=intent,
        )
    return intent


def _succeed(intent: Data, payment_method: Data, *, now: datetime) -> Data:
    intent |= {"status": "succeeded", "payment_method": payment_method["id"], "next_action": None}
    store.set_private(payment_method["id"], is_set_up=True)
    if intent["customer"] and payment_method["customer"] != intent["customer"]:
        after = payment_method | {"customer": intent["customer"]}
        events.update(after, before=payment_method, event_type="payment_method.attached", now=now)
    store.save(intent)
    events.emit("setup_intent.succeeded", intent, now=now)
    return intent
