"""Coupons on a subscription: for its next invoice, for some months, or for ever.

https://docs.stripe.com/billing/subscriptions/coupons
"""

from datetime import datetime
from typing import Any

from billing.sandbox import periods, store
from billing.sandbox.errors import ParameterInvalid
from billing.sandbox.services import discounts, events

Data = dict[str, Any]


def change_discounts(subscription: Data, given: list[Data], *, due: int | None, now: datetime) -> None:
    """This will make a request's `discounts` the subscription's; an empty list takes them all away.

    `due` is what a new subscription would be paid with at once, in cents; None for one that is changed.

    :raises ResourceMissing: for an unknown coupon, promotion code or discount.
    :raises ParameterInvalid: for one that cannot be redeemed, or not by this customer or for this amount.
    """
    order = discounts.Order(customer=subscription["customer"], currency=subscription["currency"], due=due)
    kept: list[str] = []
    for index, one in enumerate(given):
        if discount_id := one.get("discount"):
            if discount_id not in subscription["discounts"]:
                raise ParameterInvalid(f"discounts[{index}][discount]", f"No such discount: '{discount_id}'")
            kept.append(discount_id)
            continue
        coupon, code = discounts.find_given(one, order=order, index=index, now=now)
        kept.append(add_discount(subscription, coupon=coupon, promotion_code=code, now=now))
        discounts.note_redemption(coupon["id"], code)
    for discount_id in set(subscription["discounts"]) - set(kept):
        end_discount(discount_id, now=now)
    subscription["discounts"] = kept


def add_discount(
    subscription: Data,
    *,
    coupon: Data,
    promotion_code: str | None,
    now: datetime,
    checkout_session: str | None = None,
) -> str:
    """This will put a coupon on a subscription, from now on, and return the discount's id."""
    end = None
    if coupon["duration"] == "repeating":
        end = periods.add_interval(store.timestamp(now), interval="month", count=coupon["duration_in_months"])
    discount_id = discounts.record_discount(
        coupon=coupon,
        promotion_code=promotion_code,
        customer=subscription["customer"],
        checkout_session=checkout_session,
        subscription=subscription["id"],
        end=end,
        now=now,
    )
    subscription["discounts"] = [*subscription["discounts"], discount_id]
    events.emit("customer.discount.created", store.get("discount", discount_id), now=now)
    return discount_id


def end_discount(discount_id: str, *, now: datetime) -> None:
    """This will say that a discount is over; invoices that had it go on showing it."""
    events.emit("customer.discount.deleted", store.get("discount", discount_id), now=now)


def list_active(subscription: Data, *, at: int) -> list[discounts.Active]:
    """This will return the discounts that an invoice made at this moment gets."""
    return [
        active
        for active in (discounts.get_active(discount_id) for discount_id in subscription["discounts"])
        if active.end is None or at < active.end
    ]


def drop_ended(subscription: Data, *, now: datetime) -> None:
    """This will take away what has lasted for its months."""
    kept = [active.id for active in list_active(subscription, at=store.timestamp(now))]
    for discount_id in set(subscription["discounts"]) - set(kept):
        end_discount(discount_id, now=now)
    subscription["discounts"] = kept


def note_used(invoice: Data, subscription_id: str, *, now: datetime) -> None:
    """This will take a discount for one invoice away once that invoice is final."""
    subscription = store.lock("subscription", subscription_id)
    used = {name for name in invoice["discounts"] if name in subscription["discounts"]}
    once = {name for name in used if discounts.get_active(name).coupon["duration"] == "once"}
    if not once:
        return
    for discount_id in sorted(once):
        end_discount(discount_id, now=now)
    # Stripe says so by the event of the discount; the subscription itself tells nothing.
    store.save(subscription | {"discounts": [name for name in subscription["discounts"] if name not in once]})


def net_price(subscription: Data, item: Data, *, amount: int, at: int, is_credit: bool) -> int:
    """This will return what is left of a period's price, in cents, for prorations, whose amounts include discounts.

    What is owed back is of what the period was billed with; what is owed, of the discounts that go on.
    """
    if is_credit and (line := _find_billed_line(subscription, item, at=at)) is not None:
        return amount - sum(part["amount"] for part in line["discount_amounts"])
    for active in list_active(subscription, at=at):
        if active.coupon["duration"] != "once":
            amount -= discounts.spread(active.coupon, [(item["price"]["product"], amount)])[0]
    return amount


def _find_billed_line(subscription: Data, item: Data, *, at: int) -> Data | None:
    """Return the line that billed the item's current period in advance."""
    for invoice in store.find("invoice", subscription=subscription["id"]):
        for line in invoice["lines"]["data"] if invoice["status"] != "void" else []:
            details = (line["parent"] or {}).get("subscription_item_details") or {}
            if (
                details.get("subscription_item") == item["id"]
                and not details["proration"]
                and line["pricing"]["price_details"]["price"] == item["price"]["id"]
                and line["period"]["start"] <= at < line["period"]["end"]
            ):
                found: Data = line
                return found
    return None
