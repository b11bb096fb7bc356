import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.objects import clock as clock_objects
from billing.sandbox.objects import customer as customer_objects
from billing.sandbox.services import events, payment_methods

Data = dict[str, Any]
FIELDS = (
    "address",
    "description",
    "email",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
)


@transaction.atomic
def create_customer(params: Data, *, now: datetime) -> Data:
    """This will create a customer."""
    customer = customer_objects.new_customer(now=store.timestamp(now))
    if clock := params.get("test_clock"):
        customer["test_clock"] = store.get("test_helpers.test_clock", clock, param="test_clock", status=400)["id"]
    _change(customer, params)
    store.add(customer)
    events.emit("customer.created", customer, now=now)
    if "payment_method" in params:
        payment_methods.attach_payment_method(params["payment_method"], customer=customer["id"], now=now)
    if default := (params.get("invoice_settings") or {}).get("default_payment_method"):
        set_default_payment_method(customer["id"], default, now=now)
    return store.get("customer", customer["id"])


@transaction.atomic
def update_customer(customer_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a customer.

    :raises ResourceMissing: for an unknown customer or payment method.
    """
    before = store.lock("customer", customer_id)
    if "balance" in params and params["balance"] != before["balance"]:
        amount = params["balance"] - before["balance"]
        currency = before["currency"] or "usd"
        change_balance(customer_id, amount, kind="adjustment", currency=currency, now=now)
        before = store.lock("customer", customer_id)
    customer = copy.deepcopy(before)
    _change(customer, params)
    if default := (params.get("invoice_settings") or {}).get("default_payment_method"):
        customer["invoice_settings"]["default_payment_method"] = _own_payment_method(customer_id, default)
    return events.update(customer, before=before, event_type="customer.updated", now=now)


def set_default_payment_method(customer_id: str, payment_method_id: str, *, now: datetime) -> Data:
    """This will make an attached payment method the one that invoices are paid with."""
    params = {"invoice_settings": {"default_payment_method": payment_method_id}}
    return update_customer(customer_id, params, now=now)


@transaction.atomic
def ensure_own_clock(customer_id: str, *, name: str, now: datetime) -> str:
    """This will return the test clock of a customer; one without gets their own, as the dashboard's simulations do."""
    customer = store.lock("customer", customer_id)
    if customer["test_clock"]:
        return str(customer["test_clock"])
    clock = clock_objects.new_test_clock(frozen_time=store.timestamp(now), name=name, now=store.timestamp(now))
    store.add(clock)
    events.emit("test_helpers.test_clock.created", clock, now=now)
    store.put_on_clock(customer_id, clock["id"])
    return str(clock["id"])


@transaction.atomic
def delete_customer(customer_id: str, *, now: datetime) -> Data:
    """This will delete a customer; its subscriptions end at once, and nothing more is collected by itself."""
    from billing.sandbox.services import subscriptions

    customer = store.lock("customer", customer_id)
    for subscription in store.find("subscription", customer=customer_id):
        if subscription["status"] not in subscriptions.ENDED:
            subscriptions.cancel_subscription(subscription["id"], {}, now=now)
    for invoice in store.find("invoice", customer=customer_id, status__in=("draft", "open")):
        store.save(invoice | {"auto_advance": False, "next_payment_attempt": None})
    store.mark_deleted("customer", customer_id)
    events.emit("customer.deleted", customer, now=now)
    return {"id": customer_id, "object": "customer", "deleted": True}


@transaction.atomic
def change_balance(
    customer_id: str, amount: int, *, kind: str, currency: str, now: datetime, invoice: str | None = None
) -> Data:
    """This will move a customer's credit balance by `amount` cents (negative: in their favour) and return the line."""
    before = store.lock("customer", customer_id)
    customer = before | {"balance": before["balance"] + amount, "currency": before["currency"] or currency}
    line = customer_objects.new_balance_transaction(
        customer=customer_id,
        amount=amount,
        ending_balance=customer["balance"],
        currency=currency,
        kind=kind,
        invoice=invoice,
        now=store.timestamp(now),
    )
    store.add(line)
    events.update(customer, before=before, event_type="customer.updated", now=now)
    return line


@transaction.atomic
def note_currency(customer_id: str, currency: str, *, now: datetime) -> None:
    """This will fix the customer's currency at their first purchase by invoice."""
    before = store.lock("customer", customer_id)
    if before["currency"] is None:
        events.update(before | {"currency": currency}, before=before, event_type="customer.updated", now=now)


@transaction.atomic
def set_delinquent(customer_id: str, *, is_delinquent: bool, now: datetime) -> None:
    """This will note whether the customer's latest invoice is overdue; nothing of one who was deleted meanwhile."""
    if store.was_deleted("customer", customer_id):
        return
    before = store.lock("customer", customer_id)
    customer = before | {"delinquent": is_delinquent}
    events.update(customer, before=before, event_type="customer.updated", now=now)


def _change(customer: Data, params: Data) -> None:
    changes.set_fields(customer, params, FIELDS)
    changes.set_metadata(customer, params)
    customer["preferred_locales"] = customer["preferred_locales"] or []
    customer["tax_exempt"] = customer["tax_exempt"] or "none"
    if "balance" in params:
        customer["balance"] = params["balance"]
    if params.get("address"):
        customer["address"] = {
            "city": None,
            "country": None,
            "line1": None,
            "line2": None,
            "postal_code": None,
            "state": None,
        } | params["address"]
    settings = params.get("invoice_settings") or {}
    changes.set_fields(customer["invoice_settings"], settings, ("custom_fields", "footer", "rendering_options"))
    if settings.get("default_payment_method") == "":
        customer["invoice_settings"]["default_payment_method"] = None


def _own_payment_method(customer_id: str, payment_method_id: str) -> str:
    """Return the id when the payment method belongs to the customer, as Stripe insists."""
    return str(payment_methods.get_owned(payment_method_id, customer=customer_id)["id"])
