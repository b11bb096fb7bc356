from typing import Any

from billing.sandbox import ids


def new_coupon(*, coupon_id: str | None, duration: str, now: int) -> dict[str, Any]:
    return {
        "id": coupon_id or ids.new_id("coupon").upper(),
        "object": "coupon",
        "amount_off": None,
        "created": now,
        "currency": None,
        "duration": duration,
        "duration_in_months": None,
        "livemode": False,
        "max_redemptions": None,
        "metadata": {},
        "name": None,
        "percent_off": None,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }


def new_promotion_code(*, code: str | None, coupon: str, now: int) -> dict[str, Any]:
    return {
        "id": ids.new_id("promotion_code"),
        "object": "promotion_code",
        "active": True,
        "code": code or ids.new_token(8).upper(),
        "created": now,
        "customer": None,
        "customer_account": None,
        "expires_at": None,
        "livemode": False,
        "max_redemptions": None,
        "metadata": {},
        "promotion": {"coupon": coupon, "type": "coupon"},
        "restrictions": {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None},
        "times_redeemed": 0,
    }


def new_discount(*, coupon: str, promotion_code: str | None, customer: str | None, now: int) -> dict[str, Any]:
    return {
        "id": ids.new_id("discount"),
        "object": "discount",
        "checkout_session": None,
        "customer": customer,
        "customer_account": None,
        "end": None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": promotion_code,
        "source": {"coupon": coupon, "type": "coupon"},
        "start": now,
        "subscription": None,
        "subscription_item": None,
    }
