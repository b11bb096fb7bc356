"""One of everything that happens at Stripe, for tests that look at what comes of it."""

from datetime import timedelta
from typing import Any

import stripe

from billing.sandbox import cards, store
from billing.sandbox.services import checkout, timekeeping
from smartspec import clock

CARD = checkout.CardFields("4242424242424242", "12 / 34", "123", "Alice Doe", "alice@example.com", "US", "94102")


def with_number(number: str) -> checkout.CardFields:
    return checkout.CardFields(number, "12 / 34", "123", "Alice Doe", "alice@example.com", "US", "94102")


def live_through_everything(client: stripe.StripeClient) -> None:
    """Buy, fail, authenticate, debit, expire, subscribe, change, cancel, refund, discount."""
    api = client.v1
    alice = api.customers.create(params={"email": "alice@example.com", "name": "Alice", "metadata": {"user_id": "u1"}})
    _buy_packages(client, alice.id)
    _subscribe(client, alice.id)
    _by_the_api(client)
    _give_back(client)
    _live_by_a_clock(client)
    session = api.billing_portal.sessions.create(params={"customer": alice.id, "return_url": "https://example.com"})
    assert session.url


def open_package(client: stripe.StripeClient, **params: Any) -> stripe.checkout.Session:
    given: dict[str, Any] = {
        "mode": "payment",
        "success_url": "https://example.com/r",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {"currency": "usd", "unit_amount": 900, "product_data": {"name": "100 credits"}},
            }
        ],
        "invoice_creation": {"enabled": True},
    }
    return client.v1.checkout.sessions.create(params={**given, **params})  # type: ignore[arg-type]


def _buy_packages(client: stripe.StripeClient, customer: str) -> None:
    api = client.v1
    now = clock.now()
    paid = open_package(client, customer=customer)
    checkout.pay_with_card(session_id=paid.id, card=with_number("4000000000000002"), now=now)
    checkout.pay_with_card(session_id=paid.id, card=CARD, now=now)
    intent: Any = api.checkout.sessions.retrieve(paid.id).payment_intent
    api.refunds.create(params={"payment_intent": intent, "amount": 300, "reason": "requested_by_customer"})
    api.refunds.create(params={"payment_intent": intent})

    secured = open_package(client, customer_email="bob@example.com")
    checkout.pay_with_card(session_id=secured.id, card=with_number("4000002500003155"), now=now)
    checkout.fail_authentication(session_id=secured.id, now=now)
    checkout.pay_with_card(session_id=secured.id, card=with_number("4000002500003155"), now=now)
    checkout.complete_authentication(session_id=secured.id, now=now)

    for outcome in ("succeed", "fail"):
        debited = open_package(client, customer=customer)
        checkout.pay_with_bank_debit(session_id=debited.id, account_number=cards.ANSWERED_BY_HAND, now=now)
        checkout.settle_bank_debit(session_id=debited.id, outcome=outcome, now=now)

    expired = open_package(client, customer=customer)
    checkout.pay_with_card(session_id=expired.id, card=with_number("4000000000009995"), now=now)
    api.checkout.sessions.expire(expired.id)

    coupon = api.coupons.create(params={"percent_off": 20, "duration": "once", "name": "A fifth"})
    api.promotion_codes.create(params={"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "FIFTH"})
    cheaper = open_package(client, customer=customer, allow_promotion_codes=True)
    checkout.apply_promotion_code(cheaper.id, "fifth", now=now)
    checkout.pay_with_card(session_id=cheaper.id, card=CARD, now=now)


def _give_back(client: stripe.StripeClient) -> None:
    """Every way that money goes back."""
    api = client.v1
    for card in (
        "pm_card_pendingRefund",
        "pm_card_refundFail",
        "pm_card_createDispute",
        "pm_card_createDisputeInquiry",
    ):
        intent = api.payment_intents.create(
            params={"amount": 2000, "currency": "usd", "payment_method": card, "confirm": True}
        )
        if "efund" in card:
            api.refunds.create(params={"payment_intent": intent.id, "amount": 500})
    timekeeping.pass_time(now=clock.now() + timedelta(minutes=2))
    for dispute in api.disputes.list().data:
        api.disputes.update(dispute.id, params={"evidence": {"uncategorized_text": "winning_evidence"}})
    timekeeping.pass_time(now=clock.now() + timedelta(minutes=4))


def _live_by_a_clock(client: stripe.StripeClient) -> None:
    """A renewal that is paid, one that fails, and a clock."""
    api = client.v1
    start = store.timestamp(clock.now())
    test_clock = api.test_helpers.test_clocks.create(params={"frozen_time": start, "name": "Dan"})
    dan = api.customers.create(params={"email": "dan@example.com", "test_clock": test_clock.id})
    for card in ("pm_card_visa", "pm_card_chargeCustomerFail"):
        method = api.payment_methods.attach(card, params={"customer": dan.id})
        api.customers.update(dan.id, params={"invoice_settings": {"default_payment_method": method.id}})
        if card == "pm_card_visa":
            api.subscriptions.create(params={"customer": dan.id, "items": [{"price": "price_smartspec_pro_monthly"}]})
        start += 32 * 86400
        api.test_helpers.test_clocks.advance(test_clock.id, params={"frozen_time": start})
        api.test_helpers.test_clocks.retrieve(test_clock.id)


def _subscribe(client: stripe.StripeClient, customer: str) -> None:
    api = client.v1
    session = api.checkout.sessions.create(
        params={
            "mode": "subscription",
            "customer": customer,
            "success_url": "https://example.com/r",
            "line_items": [{"price": "price_smartspec_pro_monthly", "quantity": 1}],
            "subscription_data": {"metadata": {"user_id": "u1"}},
        }
    )
    checkout.pay_with_card(session_id=session.id, card=CARD, now=clock.now())
    subscription_id: Any = api.checkout.sessions.retrieve(session.id).subscription
    item = api.subscriptions.retrieve(subscription_id)["items"]["data"][0].id
    api.invoices.create_preview(
        params={
            "subscription": subscription_id,
            "subscription_details": {
                "items": [{"id": item, "price": "price_smartspec_enterprise_monthly"}],
                "proration_behavior": "always_invoice",
            },
        }
    )
    for price in ("price_smartspec_enterprise_monthly", "price_smartspec_enterprise_yearly"):
        api.subscriptions.update(
            subscription_id,
            params={
                "items": [{"id": item, "price": price}],
                "proration_behavior": "always_invoice",
                "payment_behavior": "pending_if_incomplete",
            },
        )
    api.subscriptions.update(
        subscription_id,
        params={"items": [{"id": item, "price": "price_smartspec_pro_yearly"}], "proration_behavior": "always_invoice"},
    )
    api.subscriptions.update(
        subscription_id,
        params={"items": [{"id": item, "quantity": 2}], "proration_behavior": "create_prorations"},
    )
    failing = api.payment_methods.attach("pm_card_chargeCustomerFail", params={"customer": customer})
    api.subscriptions.update(subscription_id, params={"default_payment_method": failing.id})
    api.subscriptions.update(
        subscription_id,
        params={
            "items": [{"id": item, "price": "price_smartspec_enterprise_yearly", "quantity": 20}],
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
        },
    )
    for _ in range(2):
        schedule = api.subscription_schedules.create(params={"from_subscription": subscription_id})
        current = schedule.phases[0]
        api.subscription_schedules.update(
            schedule.id,
            params={
                "end_behavior": "release",
                "phases": [
                    {
                        "items": [{"price": "price_smartspec_pro_yearly", "quantity": 2}],
                        "start_date": current.start_date,
                        "end_date": current.end_date,
                    },
                    {
                        "items": [{"price": "price_smartspec_pro_monthly", "quantity": 1}],
                        "duration": {"interval": "month", "interval_count": 1},
                    },
                ],
            },
        )
        api.subscription_schedules.release(schedule.id)
    api.subscriptions.update(subscription_id, params={"cancel_at_period_end": True})
    api.subscriptions.update(subscription_id, params={"cancel_at_period_end": False})
    api.subscription_schedules.create(params={"from_subscription": subscription_id})
    api.subscriptions.cancel(subscription_id)


def _by_the_api(client: stripe.StripeClient) -> None:
    api = client.v1
    carol = api.customers.create(params={"email": "carol@example.com"})
    method = api.payment_methods.attach("pm_card_visa", params={"customer": carol.id})
    api.customers.update(carol.id, params={"invoice_settings": {"default_payment_method": method.id}})
    api.customers.balance_transactions.create(carol.id, params={"amount": -500, "currency": "usd"})
    api.setup_intents.create(params={"customer": carol.id, "payment_method": "pm_card_mastercard", "confirm": True})
    trial = api.subscriptions.create(
        params={
            "customer": carol.id,
            "items": [{"price": "price_smartspec_pro_monthly"}],
            "trial_period_days": 7,
        }
    )
    api.subscriptions.update(trial.id, params={"trial_end": "now"})
    waiting = api.subscriptions.create(
        params={
            "customer": carol.id,
            "items": [{"price": "price_smartspec_pro_yearly"}],
            "payment_behavior": "default_incomplete",
        }
    )
    api.subscriptions.cancel(waiting.id)
    api.invoice_items.create(params={"customer": carol.id, "amount": 700, "currency": "usd", "description": "Extra"})
    invoice = api.invoices.create(params={"customer": carol.id, "pending_invoice_items_behavior": "include"})
    api.invoices.pay(invoice.id)
    api.billing_portal.configurations.create(
        params={
            "features": {
                "payment_method_update": {"enabled": True},
                "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
                "invoice_history": {"enabled": True},
            }
        }
    )
    api.payment_methods.detach(method.id)
    api.customers.delete(carol.id)
