"""What a person at a demonstration plays: the customer who pays or cannot, the merchant who refunds, the bank."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from billing.sandbox import store
from billing.sandbox.errors import ResourceMissing, UnexpectedState
from billing.sandbox.services import (
    authentication,
    checkout,
    clocks,
    customers,
    debits,
    disputes,
    invoices,
    payment_methods,
    refunds,
    subscriptions,
)

Data = dict[str, Any]
DisputeStep = Literal["open", "inquire", "escalate", "win", "lose"]

PAYING, REFUSED, FAILING = "4242424242424242", "4000000000000002", "pm_card_chargeCustomerFail"


@dataclass(frozen=True)
class Played:
    """What was acted upon, and how it is now."""

    object: Data

    def __str__(self) -> str:
        return f"{self.object['object']} {self.object['id']}: {self.object.get('status') or 'done'}"


def find_target(target: str) -> Data:
    """This will return the object that an id or a customer's e-mail address names.

    :raises ResourceMissing: for anything else.
    """
    found = store.find_first("customer", name__iexact=target) if "@" in target else store.find_any(target)
    if found is None:
        raise ResourceMissing("object", target)
    return found


def pay(target: str, *, now: datetime) -> Played:
    """This will pay a Checkout session, an invoice or a payment that waits, or all that a customer owes.

    A customer gets a card that works, which later renewals are paid with.
    """
    found = find_target(target)
    now = clocks.time_of(found["id"], now=now)
    if found["object"] == "customer":
        _use_card(found["id"], "pm_card_visa", now=now)
        for invoice in store.find("invoice", customer=found["id"], status="open"):
            invoices.pay_invoice(invoice["id"], off_session=False, now=now)
    elif found["object"] == "checkout.session":
        checkout.pay_with_card(session_id=found["id"], card=_card(found, PAYING), now=now)
    elif found["object"] == "invoice":
        invoices.pay_invoice(found["id"], payment_method_id="pm_card_visa", off_session=False, now=now)
    else:
        _answer(found, succeeds=True, now=now)
    return Played(store.get(found["object"], found["id"]))


def decline(target: str, *, now: datetime) -> Played:
    """This will let a payment fail, or give a customer a card that fails from now on."""
    found = find_target(target)
    now = clocks.time_of(found["id"], now=now)
    if found["object"] == "customer":
        _use_card(found["id"], FAILING, now=now)
    elif found["object"] == "checkout.session":
        checkout.pay_with_card(session_id=found["id"], card=_card(found, REFUSED), now=now)
    elif found["object"] == "invoice":
        invoices.pay_invoice(found["id"], payment_method_id=FAILING, off_session=False, now=now)
    else:
        _answer(found, succeeds=False, now=now)
    return Played(store.get(found["object"], found["id"]))


def refund(target: str, *, now: datetime, amount_cents: int | None = None, fails: bool = False) -> Played:
    """This will refund the newest payment of what is named, whole or in part; with `fails` the bank sends it back.

    A refund's own id and `fails` let that refund fail.
    """
    found = find_target(target)
    now = clocks.time_of(found["id"], now=now)
    if found["object"] == "refund":
        outcome: Literal["succeed", "fail"] = "fail" if fails else "succeed"
        return Played(refunds.settle_refund(found["id"], outcome=outcome, now=now))
    params: Data = {"charge": _find_charge(found)} | ({"amount": amount_cents} if amount_cents else {})
    made = refunds.create_refund(params, now=now)
    if fails:
        made = refunds.settle_refund(made["id"], outcome="fail", now=now)
    return Played(made)


def dispute(target: str, *, step: DisputeStep, now: datetime, amount_cents: int | None = None) -> Played:
    """This will play the bank: open a dispute or an inquiry over the newest payment, escalate or decide one."""
    found = find_target(target)
    now = clocks.time_of(found["id"], now=now)
    if step in ("open", "inquire"):
        charge = _find_charge(found)
        return Played(disputes.open_dispute(charge, is_inquiry=step == "inquire", amount=amount_cents, now=now))
    dispute_id = found["id"] if found["object"] == "dispute" else _find_dispute(found)
    if step == "escalate":
        return Played(disputes.escalate_inquiry(dispute_id, now=now))
    return Played(disputes.close_dispute(dispute_id, outcome="won" if step == "win" else "lost", now=now))


def _use_card(customer_id: str, card: str, *, now: datetime) -> None:
    method = payment_methods.attach_payment_method(card, customer=customer_id, now=now)["id"]
    customers.set_default_payment_method(customer_id, method, now=now)
    for subscription in store.find("subscription", customer=customer_id):
        if subscription["default_payment_method"] and subscription["status"] not in subscriptions.ENDED:
            subscriptions.update_subscription(subscription["id"], {"default_payment_method": method}, now=now)


def _answer(intent: Data, *, succeeds: bool, now: datetime) -> None:
    """Answer for the bank, or for the customer who is asked to prove who they are."""
    if intent["object"] != "payment_intent":
        raise UnexpectedState(f"{intent['id']} is nothing that can be paid: it is a {intent['object']}.")
    if intent["status"] == "requires_action":
        authentication.answer(intent["id"], outcome="complete" if succeeds else "fail", now=now)
    else:
        debits.settle_debit(intent["id"], outcome="succeed" if succeeds else "fail", now=now)


def _card(session: Data, number: str) -> checkout.CardFields:
    details = session["customer_details"] or {}
    email = session["customer_email"] or details.get("email") or "customer@example.com"
    return checkout.CardFields(number=number, expiry="12 / 40", cvc="123", name="Test Customer", email=email)


def _find_charge(found: Data) -> str:
    """Return the newest successful charge of a customer, a session, an invoice or a payment.

    :raises UnexpectedState: when there is none.
    """
    if found["object"] == "charge":
        return str(found["id"])
    if found["object"] == "customer":
        charges = store.find("charge", customer=found["id"], status="succeeded")
    else:
        intent = found["id"] if found["object"] == "payment_intent" else found.get("payment_intent")
        invoice = found["id"] if found["object"] == "invoice" else found.get("invoice")
        payment = invoices.find_default_payment(invoice) if invoice and not intent else None
        intent = payment["payment"]["payment_intent"] if payment else intent
        charges = store.find("charge", payment_intent=intent, status="succeeded") if intent else []
    if not charges:
        raise UnexpectedState(f"Nothing was paid by {found['id']}.")
    return str(charges[0]["id"])


def _find_dispute(found: Data) -> str:
    dispute = store.find_first("dispute", data__charge=_find_charge(found))
    if dispute is None:
        raise UnexpectedState(f"Nothing paid by {found['id']} is disputed.")
    return str(dispute["id"])
