"""How subscriptions live and end by themselves."""

from typing import Any

import stripe

from .world import DAY, FEBRUARY, HOUR, MARCH, START, World, amounts, expect, refused, status_of


def clocks(world: World) -> str:
    """docs.stripe.com/billing/testing/test-clocks/api-advanced-usage"""
    api = world.api.test_helpers.test_clocks
    customer = world.customer()
    subscription = customer.subscribe(world.small)
    expect("the clock of a subscription", subscription.test_clock, customer.clock)
    expect("its creation", subscription.created, START)
    expect("the newest clock", api.list(params={"limit": 1}).data[0].id, customer.clock)
    for to in (START, START - DAY):
        with refused(stripe.InvalidRequestError):
            api.advance(customer.clock, params={"frozen_time": to})
    with refused(stripe.InvalidRequestError):
        api.advance(customer.clock, params={"frozen_time": MARCH + 2 * DAY})
    with refused(stripe.InvalidRequestError, "resource_missing"):
        api.advance("clock_none", params={"frozen_time": MARCH})
    customer.advance(START + DAY)
    said = world.api.events.list(params={"type": "test_helpers.test_clock.ready", "limit": 1}).data[0]
    expect("who is ready", said.data.object["id"], customer.clock)
    api.delete(customer.clock)
    with refused(stripe.InvalidRequestError, "resource_missing"):
        world.subscription(subscription.id)
    return "Clocks go forward only, at most two intervals, and take everything with them."


def renewal(world: World) -> str:
    """docs.stripe.com/billing/subscriptions/overview#how-payments-work-subscriptions"""
    customer = world.customer()
    subscription = customer.subscribe(world.small)
    customer.advance(FEBRUARY - 7 * DAY)
    expect("what is said before", customer.events("invoice.upcoming"), ["invoice.upcoming"])
    customer.advance(FEBRUARY + 60)
    draft = world.latest(subscription.id)
    expect("a renewal at first", (draft.status, draft.billing_reason), ("draft", "subscription_cycle"))
    expect("when it is finalised", draft.automatically_finalizes_at, draft.created + HOUR)
    customer.advance(FEBRUARY + 2 * HOUR)
    paid = world.invoice(draft.id)
    expect("a renewal an hour later", (paid.status, paid.amount_paid, paid.attempt_count), ("paid", 3000, 1))
    item = world.subscription(subscription.id)["items"].data[0]
    expect("the next period", (item.current_period_start, item.current_period_end), (FEBRUARY, MARCH))
    story = customer.events("invoice.created", "invoice.finalized", "charge.succeeded", "invoice.paid")
    one = ["invoice.created", "invoice.finalized", "charge.succeeded", "invoice.paid"]
    expect("the order of events", sorted(story[4:], key=one.index), story[4:])
    return "A renewal is a draft for an hour and then paid; 31 January leads to 28 February and 31 March."


def dunning(world: World) -> str:
    """docs.stripe.com/billing/revenue-recovery/smart-retries"""
    recovers, gives_up = world.customer(), world.customer()
    subscriptions = [customer.subscribe(world.small) for customer in (recovers, gives_up)]
    for customer, subscription in zip((recovers, gives_up), subscriptions, strict=True):
        customer.use_card("pm_card_chargeCustomerFail")
        customer.advance(FEBRUARY + 2 * HOUR)
        expect("a failed renewal", status_of(world, subscription), "past_due")
        invoice = world.latest(subscription.id)
        expect("its invoice", (invoice.status, invoice.attempt_count), ("open", 1))
        expect("whether it is tried again", invoice.next_payment_attempt > FEBRUARY, True)
    recovers.use_card("pm_card_visa")
    recovers.advance(world.latest(subscriptions[0].id).next_payment_attempt + HOUR)
    expect("after the retry", status_of(world, subscriptions[0]), "active")
    gives_up.advance(FEBRUARY + 24 * DAY)
    ended = world.subscription(subscriptions[1].id)
    expect("after three weeks", (ended.status, ended.cancellation_details.reason), ("canceled", "payment_failed"))
    expect("what is said last", gives_up.events()[-1], "customer.subscription.deleted")
    return "A failed renewal is past due and tried for three weeks; paid it goes on, unpaid it ends."


def incomplete(world: World) -> str:
    """docs.stripe.com/billing/subscriptions/overview#subscription-statuses"""
    customer = world.customer("pm_card_chargeCustomerFail")
    subscription = customer.subscribe(world.small)
    expect("a first invoice that is refused", subscription.status, "incomplete")
    with refused(stripe.CardError, "card_declined"):
        customer.subscribe(world.small, payment_behavior="error_if_incomplete")
    customer.advance(START + 24 * HOUR)
    expect("a day later", status_of(world, subscription), "incomplete_expired")
    expect("its invoice", world.latest(subscription.id).status, "void")
    return "A first invoice that nobody pays ends its subscription after 23 hours and is void."


def endings(world: World) -> str:
    """docs.stripe.com/billing/subscriptions/cancel"""
    customer = world.customer()
    ending, ended = customer.subscribe(world.small), customer.subscribe(world.small)
    world.api.subscriptions.update(ending.id, params={"cancel_at_period_end": True})
    world.api.subscriptions.update(ending.id, params={"cancel_at_period_end": False})
    world.api.subscriptions.update(ending.id, params={"cancel_at_period_end": True})
    world.api.subscriptions.cancel(ended.id)
    expect("one cancelled now", status_of(world, ended), "canceled")
    expect("one cancelled for later", status_of(world, ending), "active")
    customer.advance(FEBRUARY + HOUR)
    expect("that one later", status_of(world, ending), "canceled")
    with refused(stripe.InvalidRequestError):
        world.change(ended, world.large)
    with refused(stripe.InvalidRequestError, "resource_missing"):
        world.api.subscriptions.cancel(ended.id)
    with refused(stripe.InvalidRequestError, "resource_missing"):
        world.subscription("sub_none")
    return "A cancellation can wait for the period's end and be taken back; what has ended cannot be changed."


def trials(world: World) -> str:
    """docs.stripe.com/billing/subscriptions/trials"""
    customer = world.customer()
    subscription = customer.subscribe(world.small, trial_period_days=10)
    first = world.latest(subscription.id)
    expect("a trial", (subscription.status, first.amount_paid, first.status), ("trialing", 0, "paid"))
    customer.advance(START + 8 * DAY)
    expect("what is said before", len(customer.events("customer.subscription.trial_will_end")), 1)
    customer.advance(START + 10 * DAY + 2 * HOUR)
    expect("after it", (status_of(world, subscription), world.latest(subscription.id).amount_paid), ("active", 3000))
    return "A trial costs nothing, is announced three days before its end, and is then paid for."


def schedules(world: World) -> str:
    """docs.stripe.com/billing/subscriptions/subscription-schedules"""
    customer = world.customer()
    subscription = customer.subscribe(world.large)
    schedule = world.api.subscription_schedules.create(params={"from_subscription": subscription.id})
    current = schedule.phases[0]
    phases: Any = [
        {"items": [{"price": world.large}], "start_date": current.start_date, "end_date": current.end_date},
        {"items": [{"price": world.small}], "duration": {"interval": "month", "interval_count": 1}},
    ]
    world.api.subscription_schedules.update(schedule.id, params={"end_behavior": "release", "phases": phases})
    customer.advance(FEBRUARY + 2 * HOUR)
    changed = world.subscription(subscription.id)
    expect("the plan of the next phase", changed["items"].data[0].price.id, world.small)
    expect("what it costs", amounts(world.latest(subscription.id)), [3000])
    customer.advance(MARCH + 2 * HOUR)
    expect("the schedule in the end", world.api.subscription_schedules.retrieve(schedule.id).status, "released")
    expect("the subscription then", world.subscription(subscription.id).schedule, None)
    return "A schedule changes the plan when its phase ends, and lets go in the end."
