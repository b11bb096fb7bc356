"""How subscriptions are changed, and what is billed for it."""

from typing import Any

import stripe

from .world import DAY, FEBRUARY, HOUR, START, World, amounts, expect, refused


def prorations(world: World) -> str:
    """docs.stripe.com/billing/subscriptions/prorations"""
    customer = world.customer()
    middle = START + (FEBRUARY - START) // 2
    subscription = customer.subscribe(world.small)
    customer.advance(middle)
    details: Any = {
        "items": [{"id": subscription["items"].data[0].id, "price": world.large}],
        "proration_behavior": "always_invoice",
    }
    preview = world.api.invoices.create_preview(
        params={"subscription": subscription.id, "subscription_details": details}
    )
    expect("the preview", (preview.amount_due, preview.id.startswith("upcoming_in")), (3000, True))
    expect("what a preview changes", world.subscription(subscription.id)["items"].data[0].price.id, world.small)
    up = world.change(subscription, world.large, proration_behavior="always_invoice")
    expect("half a month up", sorted(amounts(world.invoice(up.latest_invoice))), [-1500, 4500])
    expect("paid", world.invoice(up.latest_invoice).amount_paid, 3000)
    down = world.change(subscription, world.small, proration_behavior="always_invoice")
    invoice = world.invoice(down.latest_invoice)
    expect("half a month down", (invoice.total, invoice.amount_due, invoice.status), (-3000, 0, "paid"))
    expect("what is owed back", customer.balance, -3000)
    later = world.change(subscription, world.large, proration_behavior="create_prorations")
    expect("no invoice yet", later.latest_invoice, invoice.id)
    pending = world.api.invoice_items.list(params={"customer": customer.id, "pending": True}).data
    expect("what waits", sorted(item.amount for item in pending), [-1500, 4500])
    world.change(subscription, world.small, proration_behavior="none")
    customer.advance(FEBRUARY + 2 * HOUR)
    renewed = world.latest(subscription.id)
    expect("the renewal", (sorted(amounts(renewed)), renewed.amount_paid), ([-1500, 3000, 4500], 3000))
    expect("the balance after it", customer.balance, 0)
    return "Changes are prorated to the second, at once, with the next invoice or not at all; credit pays first."


def behaviours(world: World) -> str:
    """docs.stripe.com/billing/subscriptions/pending-updates"""
    customer = world.customer()
    subscription = customer.subscribe(world.small)
    customer.use_card("pm_card_chargeCustomerFail")
    with refused(stripe.CardError):
        world.change(
            subscription, world.large, proration_behavior="always_invoice", payment_behavior="error_if_incomplete"
        )
    expect("nothing half done", world.subscription(subscription.id)["items"].data[0].price.id, world.small)
    pending = world.change(
        subscription, world.large, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete"
    )
    expect("what waits", pending.pending_update.subscription_items[0].price.id, world.large)
    expect("and is not yet", pending["items"].data[0].price.id, world.small)
    customer.advance(START + DAY)
    lapsed = world.subscription(subscription.id)
    expect("a day later", (lapsed.pending_update, world.invoice(pending.latest_invoice).status), (None, "void"))
    with refused(stripe.InvalidRequestError):
        world.change(subscription, world.large, payment_behavior="pending_if_incomplete", metadata={"a": "b"})
    again = world.change(
        subscription, world.large, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete"
    )
    customer.use_card("pm_card_visa")
    world.api.invoices.pay(again.latest_invoice)
    expect("once paid", world.subscription(subscription.id)["items"].data[0].price.id, world.large)
    expect(
        "what is said", customer.events("customer.subscription.pending_update_applied"),
        ["customer.subscription.pending_update_applied"],
    )  # fmt: skip
    return "A change can wait for its payment, for 23 hours; refused with an error, it leaves nothing."


def anchors(world: World) -> str:
    """docs.stripe.com/billing/subscriptions/billing-cycle"""
    customer = world.customer()
    anchor = START + 14 * DAY
    subscription = customer.subscribe(world.small, billing_cycle_anchor=anchor)
    first = world.latest(subscription.id)
    expect("a first period cut short", subscription["items"].data[0].current_period_end, anchor)
    expect("what it costs", 0 < first.amount_paid < 3000, True)
    customer.advance(anchor + 2 * HOUR)
    expect("the first whole one", world.latest(subscription.id).amount_paid, 3000)
    reset: Any = {"billing_cycle_anchor": "now", "proration_behavior": "none"}
    moved = world.api.subscriptions.update(subscription.id, params=reset)
    expect("one that begins now", moved["items"].data[0].current_period_start, anchor + 2 * HOUR)
    yearly = world.change(subscription, world.yearly)
    expect("another interval begins now", yearly["items"].data[0].current_period_start, anchor + 2 * HOUR)
    return "A billing cycle begins where its anchor says, and anew with another interval."
