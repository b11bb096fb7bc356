"""Coupons and promotion codes."""

import copy
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction

from billing.sandbox import changes, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, UnexpectedState
from billing.sandbox.objects import discount as discount_objects
from billing.sandbox.services import events

Data = dict[str, Any]


@dataclass(frozen=True)
class Active:
    """A discount that an invoice gets: its id, its coupon as it was when it was given, and when it ends."""

    id: str
    coupon: Data
    end: int | None = None


@transaction.atomic
def create_coupon(params: Data, *, now: datetime) -> Data:
    """This will create a coupon over a share or an amount.

    :raises UnexpectedState: when the id is taken.
    """
    if ("percent_off" in params) == ("amount_off" in params):
        raise ParameterMissing("percent_off")
    if "amount_off" in params and "currency" not in params:
        raise ParameterMissing("currency")
    if params.get("id") and store.find_any(params["id"]):
        raise UnexpectedState("Coupon already exists.", code="resource_already_exists")
    coupon = discount_objects.new_coupon(
        coupon_id=params.get("id"), duration=params.get("duration", "once"), now=store.timestamp(now)
    )
    changes.set_fields(
        coupon,
        params,
        ("amount_off", "currency", "duration_in_months", "max_redemptions", "name", "percent_off", "redeem_by"),
    )
    changes.set_metadata(coupon, params)
    store.add(coupon)
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
    """This will delete a coupon; what was discounted stays so."""
    coupon = store.lock("coupon", coupon_id)
    store.mark_deleted("coupon", coupon_id)
    events.emit("coupon.deleted", coupon, now=now)
    return {"id": coupon_id, "object": "coupon", "deleted": True}


@transaction.atomic
def create_promotion_code(params: Data, *, now: datetime) -> Data:
    """This will create a code that customers can type."""
    promotion = params.get("promotion") or {}
    if "coupon" not in promotion:
        raise ParameterMissing("promotion[coupon]")
    coupon = store.get("coupon", promotion["coupon"], param="promotion[coupon]", status=400)
    promotion_code = discount_objects.new_promotion_code(
        code=params.get("code"), coupon=coupon["id"], now=store.timestamp(now)
    )
    changes.set_fields(promotion_code, params, ("active", "customer", "expires_at", "max_redemptions"))
    changes.set_metadata(promotion_code, params)
    promotion_code["restrictions"] |= params.get("restrictions") or {}
    taken = store.rows("promotion_code", name=promotion_code["code"], data__active=True).exists()
    if taken:
        raise UnexpectedState(
            f"An active promotion code with `code: {promotion_code['code']}` already exists.", param="code"
        )
    store.add(promotion_code)
    events.emit("promotion_code.created", promotion_code, now=now)
    return promotion_code


@transaction.atomic
def update_promotion_code(promotion_code_id: str, params: Data, *, now: datetime) -> Data:
    """This will switch a code on or off, or change its metadata."""
    before = store.lock("promotion_code", promotion_code_id)
    promotion_code = copy.deepcopy(before)
    changes.set_fields(promotion_code, params, ("active",))
    changes.set_metadata(promotion_code, params)
    return events.update(promotion_code, before=before, event_type="promotion_code.updated", now=now)


def find_by_code(code: str, *, customer: str | None, now: datetime) -> Data:
    """This will return the active promotion code that someone typed.

    :raises ParameterInvalid: in the words of Stripe's page.
    """
    found = next(
        (row.data for row in store.rows("promotion_code", name__iexact=code.strip()) if row.data["active"]), None
    )
    if found is None:
        raise ParameterInvalid("promotion_code", "This code is invalid.", code="promotion_code_invalid")
    _require_usable(found, customer=customer, now=now)
    return copy.deepcopy(found)


def find_given(given: Data, *, customer: str | None, now: datetime) -> tuple[Data, str | None]:
    """This will return the coupon, and the promotion code's id if that was named, of a `discounts` parameter."""
    if code_id := given.get("promotion_code"):
        promotion_code = store.get("promotion_code", code_id, param="discounts[0][promotion_code]", status=400)
        _require_usable(promotion_code, customer=customer, now=now)
        return store.get("coupon", promotion_code["promotion"]["coupon"]), code_id
    coupon = store.get("coupon", given.get("coupon", ""), param="discounts[0][coupon]", status=400)
    if not _is_valid(coupon, now=now):
        raise ParameterInvalid("discounts[0][coupon]", f"Coupon expired: {coupon['id']}", code="coupon_expired")
    return coupon, None


def spread(coupon: Data, amounts: list[int]) -> list[int]:
    """This will share a coupon's discount out over amounts in cents, the rounding on the last."""
    total = sum(amounts)
    if coupon["percent_off"] is not None:
        share = Decimal(str(coupon["percent_off"])) / 100
        discount = int((total * share).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    else:
        discount = min(total, coupon["amount_off"])
    parts = [discount * amount // total if total else 0 for amount in amounts]
    parts[-1] += discount - sum(parts)
    return parts


def discount_lines(active: list[Active], lines: list[Data]) -> list[Data]:
    """This will return the arguments of invoice lines with what the discounts take off, one after the other.

    Prorations are left alone: their amounts include discounts.
    """
    discounted = [dict(line) for line in lines]
    for one in active:
        open_lines = [line for line in discounted if line["amount"] > 0 and not _is_proration(line)]
        left = [
            line["amount"] - sum(part["amount"] for part in line.get("discount_amounts") or []) for line in open_lines
        ]
        for line, part in zip(open_lines, spread(one.coupon, left) if left else [], strict=True):
            if part:
                line["discount_amounts"] = [
                    *(line.get("discount_amounts") or []),
                    {"amount": part, "discount": one.id},
                ]
    return discounted


def get_active(discount_id: str) -> Active:
    """This will return a discount with its coupon, which may have been deleted since."""
    discount = store.get("discount", discount_id)
    return Active(discount_id, store.get_private(discount_id)["coupon"], discount["end"])


def record_discount(
    *,
    coupon: Data,
    promotion_code: str | None,
    customer: str | None,
    checkout_session: str | None,
    now: datetime,
    subscription: str | None = None,
    end: int | None = None,
) -> str:
    """This will note that a discount was used and return its id."""
    discount = discount_objects.new_discount(
        coupon=coupon["id"], promotion_code=promotion_code, customer=customer, now=store.timestamp(now)
    )
    discount |= {"checkout_session": checkout_session, "subscription": subscription, "end": end}
    store.add(discount, private={"coupon": coupon})
    return str(discount["id"])


@transaction.atomic
def note_redemption(coupon_id: str, promotion_code_id: str | None, *, now: datetime) -> None:
    """This will count one use of a coupon and its code."""
    coupon = store.lock("coupon", coupon_id)
    coupon["times_redeemed"] += 1
    if coupon["max_redemptions"] and coupon["times_redeemed"] >= coupon["max_redemptions"]:
        coupon["valid"] = False
    store.save(coupon)
    if promotion_code_id:
        promotion_code = store.lock("promotion_code", promotion_code_id)
        promotion_code["times_redeemed"] += 1
        if promotion_code["max_redemptions"] and promotion_code["times_redeemed"] >= promotion_code["max_redemptions"]:
            promotion_code["active"] = False
        store.save(promotion_code)


def _is_proration(line: Data) -> bool:
    parent = line["parent"] or {}
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    return bool(details.get("proration"))


def _is_valid(coupon: Data, *, now: datetime) -> bool:
    """Say whether a coupon may be redeemed: not too often, and not after its time."""
    return bool(coupon["valid"]) and not (coupon["redeem_by"] and coupon["redeem_by"] <= store.timestamp(now))


def _require_usable(promotion_code: Data, *, customer: str | None, now: datetime) -> None:
    coupon = store.find_any(promotion_code["promotion"]["coupon"])
    over = promotion_code["expires_at"] and promotion_code["expires_at"] <= store.timestamp(now)
    if coupon is None or not _is_valid(coupon, now=now) or over or not promotion_code["active"]:
        raise ParameterInvalid("promotion_code", "This promotion code has expired.", code="promotion_code_expired")
    if promotion_code["customer"] and promotion_code["customer"] != customer:
        raise ParameterInvalid("promotion_code", "This code is invalid.", code="promotion_code_invalid")
