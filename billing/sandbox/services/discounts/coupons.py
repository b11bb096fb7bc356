"""Coupons: how much is taken off, off which products, and until when they can be redeemed.

https://docs.stripe.com/api/coupons/create
"""

import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, UnexpectedState
from billing.sandbox.objects import discount as discount_objects
from billing.sandbox.services import events

Data = dict[str, Any]


@transaction.atomic
def create_coupon(params: Data, *, now: datetime) -> Data:
    """This will create a coupon over a share or an amount.

    :raises UnexpectedState: when the id is taken.
    :raises ParameterMissing: when it says neither how much, nor in which currency, nor for how many months.
    :raises ParameterInvalid: for a share, an amount, a number of months or a time that makes no sense.
    :raises ResourceMissing: for a product that does not exist.
    """
    _check(params, now=now)
    if params.get("id"):
        if store.find_any(params["id"]):
            raise UnexpectedState("Coupon already exists.", code="resource_already_exists")
        store.free_id(params["id"])
    products = (params.get("applies_to") or {}).get("products") or []
    for index, product in enumerate(products):
        store.get("product", product, param=f"applies_to[products][{index}]", status=400)
    coupon = discount_objects.new_coupon(
        coupon_id=params.get("id"), duration=params.get("duration", "once"), now=store.timestamp(now)
    )
    changes.set_fields(
        coupon,
        params,
        ("amount_off", "currency", "duration_in_months", "max_redemptions", "name", "percent_off", "redeem_by"),
    )
    changes.set_metadata(coupon, params)
    ends = coupon["redeem_by"]
    # What it applies to is shown only when asked for.
    store.add(coupon, private={"products": products}, due_at=store.moment(ends) if ends else None)
    events.emit("coupon.created", coupon, now=now)
    return coupon


@transaction.atomic
def update_coupon(coupon_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a coupon's name or metadata."""
    before = store.lock("coupon", coupon_id)
    coupon = copy.deepcopy(before)
    changes.set_fields(coupon, params, ("name",))
    changes.set_metadata(coupon, params)
    return events.update(coupon, before=before, event_type="coupon.updated", now=now)


@transaction.atomic
def delete_coupon(coupon_id: str, *, now: datetime) -> Data:
    """This will delete a coupon; what was discounted stays so, and its codes are over."""
    coupon = store.lock("coupon", coupon_id)
    store.mark_deleted("coupon", coupon_id)
    _end_codes(coupon_id)
    events.emit("coupon.deleted", coupon, now=now)
    return {"id": coupon_id, "object": "coupon", "deleted": True}


@transaction.atomic
def lapse_coupon(*, object_id: str, now: datetime) -> None:
    """This will end a coupon whose time is over."""
    end_coupon(store.lock("coupon", object_id))
    store.set_due(object_id, None)


def end_coupon(coupon: Data) -> None:
    """This will note that a coupon, and with it every code of it, cannot be redeemed any more."""
    store.save(coupon | {"valid": False})
    _end_codes(coupon["id"])


def read_coupon(coupon_id: str, *, param: str | None = None) -> Data:
    """This will return a coupon together with the products that it is for (`products`; empty: for all).

    :raises ResourceMissing: for an unknown one.
    """
    coupon = store.get("coupon", coupon_id, param=param, status=400)
    return coupon | {"products": store.get_private(coupon_id).get("products") or []}


def is_valid(coupon: Data, *, now: datetime) -> bool:
    """This will say whether a coupon may be redeemed: not too often, and not after its time."""
    return bool(coupon["valid"]) and not (coupon["redeem_by"] and coupon["redeem_by"] <= store.timestamp(now))


def _end_codes(coupon_id: str) -> None:
    for code in store.find("promotion_code", data__promotion__coupon=coupon_id, data__active=True):
        store.save(store.lock("promotion_code", code["id"]) | {"active": False})


def _check(params: Data, *, now: datetime) -> None:
    if ("percent_off" in params) == ("amount_off" in params):
        raise ParameterMissing("percent_off")
    if "amount_off" in params and "currency" not in params:
        raise ParameterMissing("currency")
    if not 0 < params.get("percent_off", 100) <= 100:
        raise ParameterInvalid("percent_off", "Invalid percent_off: must be greater than 0 and at most 100.")
    for name in ("amount_off", "max_redemptions", "duration_in_months"):
        if params.get(name, 1) < 1:
            raise ParameterInvalid(
                name, "This value must be greater than or equal to 1.", code="parameter_invalid_integer"
            )
    repeats = params.get("duration") == "repeating"
    if repeats and "duration_in_months" not in params:
        raise ParameterMissing("duration_in_months")
    if not repeats and "duration_in_months" in params:
        raise ParameterInvalid("duration_in_months", "`duration_in_months` belongs to the duration `repeating` alone.")
    if params.get("redeem_by", store.timestamp(now) + 1) <= store.timestamp(now):
        raise ParameterInvalid("redeem_by", "`redeem_by` must be in the future.")
