"""What a new Checkout session must be given, and what it becomes."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, ResourceMissing
from billing.sandbox.objects import checkout as checkout_objects
from billing.sandbox.services import products
from billing.sandbox.services.checkout import discounting, sessions

Data = dict[str, Any]

SHORTEST, LONGEST = timedelta(minutes=30), timedelta(hours=24)
KEPT = ("payment_intent_data", "subscription_data", "setup_intent_data", "customer_update")
FIELDS = (
    "allow_promotion_codes",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "consent_collection",
    "customer_creation",
    "customer_email",
    "locale",
    "origin_context",
    "payment_method_collection",
    "submit_type",
    "success_url",
)


@transaction.atomic
def create_session(params: Data, *, now: datetime) -> Data:
    """This will open a Checkout session.

    :raises ParameterMissing: without mode, line items or success_url.
    :raises ParameterInvalid: for prices, addresses or times that do not fit.
    """
    mode = params.get("mode")
    if mode is None:
        raise ParameterMissing("mode")
    _check(params, mode=mode)
    session = checkout_objects.new_session(mode=mode, now=store.timestamp(now))
    changes.set_fields(session, params, FIELDS)
    changes.set_metadata(session, params)
    session["expires_at"] = _expiry(params, now=now)
    if types := params.get("payment_method_types"):
        session["payment_method_types"] = types
    items = _line_items(params, mode=mode, now=now)
    session["currency"] = items[0]["currency"] if items else params.get("currency")
    _set_customer(session, params)
    _set_invoice_creation(session, params, mode=mode)
    if mode == "setup":
        session["payment_status"] = "no_payment_required"
    else:
        sessions.add_up(session, items)
    if mode == "payment" and 0 < session["amount_total"] < 50:
        raise ParameterInvalid(
            "line_items",
            "The Checkout Session's total amount due must add up to at least $0.50 usd",
            code="amount_too_small",
        )
    session["url"] = f"{settings.STRIPE_API_BASE}/checkout/{session['id']}"
    kept = {name: params[name] for name in KEPT if name in params}
    store.add(
        session,
        private={"line_items": items, "params": kept},
        due_at=store.moment(session["expires_at"]),
        clock=_clock_of(session),
    )
    for given in params.get("discounts") or []:
        session = discounting.give_discount(session, given, now=now)
    return session


@transaction.atomic
def update_session(session_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a session's metadata. Stripe sends no event for it."""
    session = store.lock("checkout.session", session_id, param="session")
    changes.set_metadata(session, params)
    return store.save(session)


def _check(params: Data, *, mode: str) -> None:
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise ParameterInvalid("ui_mode", "The sandbox has only the hosted_page.")
    if "success_url" not in params:
        raise ParameterMissing("success_url")
    for name in ("success_url", "cancel_url"):
        if name in params:
            _check_url(params[name], param=name)
    if mode != "setup" and not params.get("line_items"):
        raise ParameterMissing("line_items")
    if params.get("customer") and params.get("customer_email"):
        raise ParameterInvalid(
            "customer_email", "You may only specify one of these parameters: customer, customer_email."
        )
    if len(params.get("discounts") or []) > 1:
        raise ParameterInvalid("discounts", "A Checkout Session takes one discount.")
    if params.get("discounts") and params.get("allow_promotion_codes"):
        raise ParameterInvalid(
            "allow_promotion_codes", "You may only specify one of these parameters: allow_promotion_codes, discounts."
        )
    for name, only in (
        ("payment_intent_data", "payment"),
        ("subscription_data", "subscription"),
        ("invoice_creation", "payment"),
    ):
        if name in params and mode != only:
            raise ParameterInvalid(name, f"You can not pass `{name}` in `{mode}` mode.")


def _check_url(url: str, *, param: str) -> None:
    parts = urlsplit(url)
    if not parts.scheme or not (parts.netloc or parts.path):
        raise ParameterInvalid(param, "Not a valid URL", code="url_invalid")


def _expiry(params: Data, *, now: datetime) -> int:
    if "expires_at" not in params:
        return store.timestamp(now + LONGEST)
    expires_at = int(params["expires_at"])
    # A few seconds of grace for a request that was underway.
    if expires_at < store.timestamp(now + SHORTEST) - 60:
        raise ParameterInvalid(
            "expires_at", "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        )
    if expires_at > store.timestamp(now + LONGEST) + 60:
        raise ParameterInvalid(
            "expires_at", "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        )
    return expires_at


def _line_items(params: Data, *, mode: str, now: datetime) -> list[Data]:
    items = []
    for index, wanted in enumerate(params.get("line_items") or []):
        param = f"line_items[{index}]"
        if "price" in wanted:
            price = store.get("price", wanted["price"], param=f"{param}[price]", status=400)
            if not price["active"]:
                raise ParameterInvalid(
                    f"{param}[price]",
                    "The price specified is inactive. This field only accepts active prices.",
                )
            product = store.find_any(price["product"])
            name = product["name"] if product else price["product"]
        elif "price_data" in wanted:
            price, name = products.create_inline_price(wanted["price_data"], now=now)
        else:
            raise ParameterMissing(f"{param}[price]")
        quantity = wanted.get("quantity")
        if quantity is None:
            raise ParameterMissing(f"{param}[quantity]")
        if quantity < 1:
            raise ParameterInvalid(
                f"{param}[quantity]", "This value must be greater than or equal to 1.", "parameter_invalid_integer"
            )
        if mode == "payment" and price["recurring"]:
            raise ParameterInvalid(
                f"{param}[price]",
                "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or "
                "use only one-time prices.",
            )
        item = checkout_objects.new_item(price=price, product_name=name, quantity=quantity)
        changes.set_metadata(item, wanted)
        items.append(item)
    if mode == "subscription" and not any(item["price"]["recurring"] for item in items):
        raise ParameterInvalid(
            "line_items", "You must provide at least one recurring price in `subscription` mode when using prices."
        )
    if len({item["currency"] for item in items}) > 1:
        raise ParameterInvalid("line_items", "All prices on a Checkout Session must have the same currency.")
    return items


def _set_customer(session: Data, params: Data) -> None:
    if customer_id := params.get("customer"):
        if store.was_deleted("customer", customer_id):
            raise ResourceMissing("customer", customer_id, "customer", status=400)
        customer = store.get("customer", customer_id, param="customer", status=400)
        session["customer"] = customer_id
        session["customer_details"] = checkout_objects.new_customer_details(
            email=customer["email"], name=None, address=None
        )
        return
    if session["mode"] == "payment":
        session["customer_creation"] = session["customer_creation"] or "if_required"
    else:
        session["customer_creation"] = "always"
    if session["customer_email"]:
        session["customer_details"] = checkout_objects.new_customer_details(
            email=session["customer_email"], name=None, address=None
        )


def _set_invoice_creation(session: Data, params: Data, *, mode: str) -> None:
    if mode != "payment":
        return
    given = params.get("invoice_creation") or {"enabled": False}
    data = given.get("invoice_data") or {}
    session["invoice_creation"] = {
        "enabled": given["enabled"],
        "invoice_data": {
            "account_tax_ids": None,
            "custom_fields": data.get("custom_fields"),
            "description": data.get("description"),
            "footer": data.get("footer"),
            "issuer": None,
            "metadata": changes.merge_metadata({}, data.get("metadata") or {}),
            "rendering_options": None,
        },
    }


def _clock_of(session: Data) -> str:
    if not session["customer"]:
        return ""
    return str(store.get("customer", session["customer"])["test_clock"] or "")
