"""The discount of a session: given when it is opened, or typed on its page, and looked at again when it is paid.

https://docs.stripe.com/payments/checkout/discounts
"""

import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import store
from billing.sandbox.errors import ParameterInvalid, UnexpectedState
from billing.sandbox.services import discounts, payments
from billing.sandbox.services.checkout import sessions

Data = dict[str, Any]


def give_discount(session: Data, given: Data, *, now: datetime) -> Data:
    """This will take what a request names in `discounts` off a new session.

    :raises ResourceMissing: for an unknown coupon or code.
    :raises ParameterInvalid: for one that cannot be redeemed, or not for this customer or purchase.
    """
    coupon, code = discounts.find_given(given, order=_order(session), now=now)
    return _discount(session, coupon=coupon, promotion_code=code, now=now)


@transaction.atomic
def apply_promotion_code(session_id: str, code: str, *, now: datetime) -> Data:
    """This will take a code that the customer typed on the page.

    :raises UnexpectedState: when the session takes none.
    :raises ParameterInvalid: for a code that is unknown, used up or over, or not for this customer or purchase.
    """
    session = sessions.lock_open(session_id, now=now)
    if not session["allow_promotion_codes"]:
        raise UnexpectedState("This Checkout Session does not take promotion codes.")
    promotion_code = discounts.find_by_code(code, customer=session["customer"])
    coupon = discounts.require_redeemable(promotion_code, order=_order(session), param="promotion_code", now=now)
    return _discount(session, coupon=coupon, promotion_code=promotion_code["id"], now=now)


@transaction.atomic
def remove_promotion_code(session_id: str, *, now: datetime) -> Data:
    """This will take the discount off an open session."""
    session = sessions.lock_open(session_id, now=now)
    return _discount(session, coupon=None, promotion_code=None, now=now)


def drop_if_over(session: Data, *, now: datetime) -> str:
    """This will take a promotion code's discount off a session about to be paid that cannot be redeemed any more, and
    return why; an empty string when there is nothing to say.

    It is redeemed when the session is complete: until then its last redemption may have become somebody else's, who is
    waited for here.
    """
    code_id = session["discounts"][0]["promotion_code"] if session["discounts"] else None
    if code_id is None:
        return ""
    promotion_code = store.get("promotion_code", code_id)
    coupon_id = promotion_code["promotion"]["coupon"]
    try:
        if store.find_any(coupon_id):
            store.lock("coupon", coupon_id)
            promotion_code = store.get("promotion_code", code_id)
        discounts.require_redeemable(promotion_code, order=_order(session), param="promotion_code", now=now)
    except ParameterInvalid as error:
        _discount(session, coupon=None, promotion_code=None, now=now)
        return error.message
    return ""


def _order(session: Data) -> discounts.Order:
    items = sessions.list_line_items(session["id"])
    return discounts.Order(
        customer=session["customer"],
        currency=session["currency"],
        due=0 if sessions.starts_free(session) else session["amount_subtotal"],
        products=frozenset(item["price"]["product"] for item in items),
    )


def _discount(session: Data, *, coupon: Data | None, promotion_code: str | None, now: datetime) -> Data:
    private = store.get_private(session["id"])
    items = copy.deepcopy(private["line_items"])
    priced = [(item["price"]["product"], item["amount_subtotal"]) for item in items]
    parts = discounts.spread(coupon, priced) if coupon else [0] * len(items)
    for item, part in zip(items, parts, strict=True):
        item |= {"amount_discount": part, "amount_total": item["amount_subtotal"] - part}
    sessions.add_up(session, items)
    session["discounts"] = (
        [{"coupon": None if promotion_code else coupon["id"], "promotion_code": promotion_code}] if coupon else []
    )
    store.set_private(session["id"], line_items=items, coupon=coupon)
    if intent_id := private.get("payment_intent"):
        _change_payment(session, intent_id, now=now)
    return store.save(session)


def _change_payment(session: Data, intent_id: str, *, now: datetime) -> None:
    """Let a payment that was tried before be over what the session now comes to."""
    if session["amount_total"]:
        payments.update_intent(intent_id, {"amount": session["amount_total"]}, now=now)
        return
    payments.cancel_intent(intent_id, reason="automatic", now=now)
    store.set_private(session["id"], payment_intent=None)
    session["payment_intent"] = None
