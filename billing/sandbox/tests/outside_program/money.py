"""How money comes and goes back."""

from typing import Any

import stripe

from .world import DAY, FEBRUARY, HOUR, MARCH, START, World, expect, refused

MINIMUM = {"minimum_amount": 5000, "minimum_amount_currency": "usd"}


def coupons(world: World) -> str:
    """docs.stripe.com/billing/subscriptions/coupons"""
    customer = world.customer()
    coupon = world.api.coupons.create(params={"percent_off": 50, "duration": "repeating", "duration_in_months": 2})
    code = world.api.promotion_codes.create(params={"promotion": {"type": "coupon", "coupon": coupon.id}})
    subscription = customer.subscribe(world.small, discounts=[{"promotion_code": code.id}])
    found = [world.latest(subscription.id).amount_paid]
    for month in (FEBRUARY, MARCH):
        customer.advance(month + 2 * HOUR)
        found.append(world.latest(subscription.id).amount_paid)
    expect("three months at half the price for two", found, [1500, 1500, 3000])
    return "A coupon lasts for its months, by itself or by a code."


def restrictions(world: World) -> str:
    """docs.stripe.com/api/promotion_codes/create#create_promotion_code-restrictions"""
    customer, other = world.customer(), world.customer()
    codes = {}
    for name, limits in (("first", {"first_time_transaction": True}), ("large", MINIMUM)):
        coupon: Any = {"percent_off": 50, "duration": "once"}
        given: Any = {"promotion": {"type": "coupon", "coupon": world.api.coupons.create(params=coupon).id}}
        codes[name] = [{"promotion_code": world.api.promotion_codes.create(params=given | {"restrictions": limits}).id}]
    code = "discounts[0][promotion_code]"
    with refused(stripe.InvalidRequestError, param=code):
        customer.subscribe(world.small, discounts=codes["large"])
    large = customer.subscribe(world.large, discounts=codes["large"])
    expect("half of what is large enough", world.latest(large.id).amount_paid, 4500)
    with refused(stripe.InvalidRequestError, "promotion_code_customer_not_first_time", code):
        customer.subscribe(world.small, discounts=codes["first"])
    first = other.subscribe(world.small, discounts=codes["first"])
    expect("half of the first purchase", world.latest(first.id).amount_paid, 1500)
    return "A promotion code can be for a first purchase alone, or for a large one."


def cards(world: World) -> str:
    """docs.stripe.com/testing"""
    customer = world.customer("")
    with refused(stripe.CardError, "card_declined"):
        world.api.payment_methods.attach("pm_card_chargeDeclined", params={"customer": customer.id})
    failing = customer.use_card("pm_card_chargeCustomerFail")
    charge: Any = {"amount": 2000, "currency": "usd", "customer": customer.id, "confirm": True, "off_session": True}
    with refused(stripe.CardError, "card_declined"):
        world.api.payment_intents.create(params=charge | {"payment_method": failing})
    asking: Any = {"payment_method": "pm_card_threeDSecure2Required", "off_session": False}
    asked = world.api.payment_intents.create(params=charge | asking | {"return_url": "https://example.com"})
    expect("a card that asks", asked.status, "requires_action")
    return "Named cards are refused when saved, fail later or ask for authentication, as their names say."


def money_back(world: World) -> str:
    """docs.stripe.com/refunds and docs.stripe.com/disputes/responding"""
    customer = world.customer()

    def pay(card: str) -> str:
        given: Any = {"amount": 2000, "currency": "usd", "customer": customer.id, "confirm": True, "off_session": True}
        method = world.api.payment_methods.attach(card, params={"customer": customer.id}).id
        return world.api.payment_intents.create(params=given | {"payment_method": method}).id

    refunds, paid = world.api.refunds, pay("pm_card_visa")
    for cents in (500, 700):
        expect("a part", refunds.create(params={"payment_intent": paid, "amount": cents}).status, "succeeded")
    with refused(stripe.InvalidRequestError):
        refunds.create(params={"payment_intent": paid, "amount": 801})
    expect("the rest", refunds.create(params={"payment_intent": paid}).amount, 800)
    with refused(stripe.InvalidRequestError, "charge_already_refunded"):
        refunds.create(params={"payment_intent": paid})
    pending = refunds.create(params={"payment_intent": pay("pm_card_pendingRefund")})
    failing = refunds.create(params={"payment_intent": pay("pm_card_refundFail")})
    expect("two that go on", (pending.status, failing.status), ("pending", "succeeded"))
    disputed = {text: pay("pm_card_createDispute") for text in ("winning_evidence", "losing_evidence")}
    customer.advance(START + HOUR)
    expect(
        "what became of them", [refunds.retrieve(one.id).status for one in (pending, failing)], ["succeeded", "failed"]
    )
    ids = {}
    for text, intent in disputed.items():
        dispute = world.api.disputes.list(params={"payment_intent": intent}).data[0]
        expect("a dispute", dispute.status, "needs_response")
        world.api.disputes.update(dispute.id, params={"evidence": {"uncategorized_text": text}})
        ids[text] = dispute.id
    customer.advance(START + DAY)
    statuses = {text: world.api.disputes.retrieve(dispute_id).status for text, dispute_id in ids.items()}
    expect("decided by the evidence", statuses, {"winning_evidence": "won", "losing_evidence": "lost"})
    return "Money goes back whole or in parts, late or not at all; disputes are decided by their evidence."


def balances(world: World) -> str:
    """docs.stripe.com/billing/customer/balance"""
    customer = world.customer()
    credit: Any = {"amount": -1000, "currency": "usd"}
    world.api.customers.balance_transactions.create(customer.id, params=credit)
    subscription = customer.subscribe(world.small)
    expect("what is left to pay", world.latest(subscription.id).amount_paid, 2000)
    gone: Any = {"prorate": True, "invoice_now": True}
    customer.advance(START + (FEBRUARY - START) // 2)
    world.api.subscriptions.cancel(subscription.id, params=gone)
    expect("what is owed back", customer.balance, -1500)
    return "A customer's balance pays first, and takes what a cancellation owes back."
