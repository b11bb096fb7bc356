"""`expand[]`: ids replaced by their objects, and fields that are shown only when asked for."""

import copy
from collections.abc import Callable
from typing import Any

from billing.sandbox import store
from billing.sandbox.errors import ParameterInvalid

Data = dict[str, Any]

DEEPEST = 4
PREVIEW = 10


def expand(answer: Data, paths: list[str]) -> Data:
    """This will return the answer with every path expanded, and of an invoice's lines the first ones.

    :raises ParameterInvalid: for a path that leads nowhere, or deeper than four levels.
    """
    expanded = copy.deepcopy(answer)
    for path in paths:
        parts = path.split(".")
        if len(parts) > DEEPEST:
            raise ParameterInvalid(
                "expand", f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}"
            )
        _expand(expanded, parts, path)
    _shorten(expanded)
    return expanded


def _shorten(value: Any) -> None:
    """Leave "the first handful" of an invoice's lines (https://docs.stripe.com/api/invoice-line-item/retrieve)."""
    if isinstance(value, list):
        for item in value:
            _shorten(item)
    elif isinstance(value, dict):
        for item in value.values():
            _shorten(item)
        if value.get("object") == "invoice" and len(value["lines"]["data"]) > PREVIEW:
            value["lines"] |= {"data": value["lines"]["data"][:PREVIEW], "has_more": True}


def _expand(holder: Any, parts: list[str], path: str) -> None:
    if isinstance(holder, list):
        for index, item in enumerate(holder):
            if isinstance(item, str) and (found := store.find_any(item)):
                holder[index] = item = found
            _expand(item, parts, path)
        return
    if not parts or not isinstance(holder, dict) or holder.get("deleted"):
        return
    name, rest = parts[0], parts[1:]
    kind = holder.get("object", "")
    if make := INCLUDED.get((kind, name)):
        if name not in holder:
            holder[name] = make(holder)
    elif name not in holder:
        if _is_known_elsewhere(kind, name):
            return
        raise ParameterInvalid("expand", f"This property cannot be expanded ({path}).")
    value = holder[name]
    if isinstance(value, str):
        found = store.find_any(value)
        if found is None:
            if rest or kind == "event":
                return
            raise ParameterInvalid("expand", f"This property cannot be expanded ({path}).")
        holder[name] = found
    elif isinstance(value, list) and not rest:
        holder[name] = [(store.find_any(item) or item) if isinstance(item, str) else item for item in value]
    _expand(holder[name], rest, path)


def _is_known_elsewhere(kind: str, name: str) -> bool:
    """Whether another object of this kind could have the field: lists mix such that do with such that do not."""
    return (kind, name) in SOMETIMES


def _list(url: str, items: list[Data]) -> Data:
    return {"object": "list", "data": items[:PREVIEW], "has_more": len(items) > PREVIEW, "url": url}


def _line_items(session: Data) -> Data:
    items = store.get_private(session["id"]).get("line_items", [])
    return _list(f"/v1/checkout/sessions/{session['id']}/line_items", items)


def _breakdown(details: Data) -> Data:
    return {"discounts": [], "taxes": []}


def _payments(invoice: Data) -> Data:
    found = store.find("invoice_payment", invoice=invoice["id"])
    return _list(f"/v1/invoice_payments?invoice={invoice['id']}", found)


def _confirmation_secret(invoice: Data) -> Data | None:
    payment = store.find_first("invoice_payment", invoice=invoice["id"])
    if payment is None:
        return None
    intent = store.get("payment_intent", payment["payment"]["payment_intent"])
    return {"client_secret": intent["client_secret"], "type": "payment_intent"}


def _refunds(charge: Data) -> Data:
    refunds = store.find("refund", payment_intent=charge["payment_intent"] or "")
    mine = [refund for refund in refunds if refund["charge"] == charge["id"]]
    return _list(f"/v1/charges/{charge['id']}/refunds", mine)


def _subscriptions(customer: Data) -> Data:
    found = store.find("subscription", customer=customer["id"])
    living = [
        subscription for subscription in found if subscription["status"] not in ("canceled", "incomplete_expired")
    ]
    return _list(f"/v1/customers/{customer['id']}/subscriptions", living) | {"total_count": len(living)}


def _applies_to(coupon: Data) -> Data | None:
    products = store.get_private(coupon["id"]).get("products")
    return {"products": products} if products else None


def _empty(path: str) -> Callable[[Data], Data]:
    return lambda holder: _list(path.format(id=holder["id"]), []) | {"total_count": 0}


def _currency_options(price: Data) -> Data:
    option = {
        name: price[name] for name in ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    }
    return {price["currency"]: option}


# Fields that an answer has only when they are asked for.
INCLUDED: dict[tuple[str, str], Callable[[Data], Any]] = {
    ("charge", "refunds"): _refunds,
    ("checkout.session", "line_items"): _line_items,
    ("coupon", "applies_to"): _applies_to,
    ("coupon", "currency_options"): lambda coupon: {},
    ("customer", "cash_balance"): lambda customer: None,
    ("customer", "invoice_credit_balance"): lambda customer: {},
    ("customer", "sources"): _empty("/v1/customers/{id}/sources"),
    ("customer", "subscriptions"): _subscriptions,
    ("customer", "tax"): lambda customer: {
        "automatic_tax": "unrecognized_location",
        "ip_address": None,
        "location": None,
        "provider": "stripe",
    },
    ("customer", "tax_ids"): _empty("/v1/customers/{id}/tax_ids"),
    ("invoice", "confirmation_secret"): _confirmation_secret,
    ("invoice", "payments"): _payments,
    ("price", "currency_options"): _currency_options,
    ("price", "tiers"): lambda price: None,
    ("", "breakdown"): _breakdown,
}

SOMETIMES = {("item", "discounts"), ("item", "taxes"), ("", "payment_intent"), ("", "charge")}
