"""What happens to subscriptions at Stripe over time, seen by a program that knows nothing but Stripe's client library.

    python outside_program.py http://localhost:8000/sandbox/stripe

Every sentence that it prints was true; the first one that is not ends it with exit code 1. Where each rule is
documented stands beside it. It uses test clocks and never a page, so that it can be held against Stripe itself as well:
`python outside_program.py https://api.stripe.com --key sk_test_…`.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

START = int(datetime(2026, 1, 31, 9, 0, tzinfo=UTC).timestamp())
FEBRUARY, MARCH = (int(datetime(2026, month, day, 9, 0, tzinfo=UTC).timestamp()) for month, day in ((2, 28), (3, 31)))
HOUR, DAY = 3600, 86400
PATIENCE_SECONDS = 120


class Untrue(Exception):
    """Something is not as Stripe's documentation says."""


def expect(what: str, found: object, wanted: object) -> None:
    """:raises Untrue: unless both are equal."""
    if found != wanted:
        raise Untrue(f"{what}: {found!r}, not {wanted!r}")


@contextmanager
def refused(kind: type[stripe.StripeError], code: str | None = None, param: str | None = None) -> Iterator[None]:
    """:raises Untrue: unless Stripe refuses what is tried inside, by this kind of error, code and parameter."""
    try:
        yield
    except kind as error:
        if code is not None:
            expect("the error's code", error.code, code)
        if param is not None:
            expect("the error's param", getattr(error, "param", None), param)
        return
    raise Untrue(f"no {kind.__name__}")


@dataclass
class Customer:
    """Somebody with a test clock of their own."""

    world: "World"
    id: str
    clock: str

    def use_card(self, name: str) -> str:
        """Attach one of the named cards and pay with it from now on."""
        method = self.world.api.payment_methods.attach(name, params={"customer": self.id})
        settings: Any = {"invoice_settings": {"default_payment_method": method.id}}
        self.world.api.customers.update(self.id, params=settings)
        return method.id

    def subscribe(self, price: str, **params: Any) -> Any:
        given: Any = {"customer": self.id, "items": [{"price": price}], **params}
        return self.world.api.subscriptions.create(params=given)

    def advance(self, to: int) -> None:
        """Move the clock, and wait until it stands still."""
        clocks = self.world.api.test_helpers.test_clocks
        expect("a clock that was sent on", clocks.advance(self.clock, params={"frozen_time": to}).status, "advancing")
        given_up_at = time.monotonic() + PATIENCE_SECONDS
        while (clock := clocks.retrieve(self.clock)).status == "advancing":
            if time.monotonic() > given_up_at:
                raise Untrue("the clock does not arrive")
            time.sleep(0.2)
        expect("the clock's status", (clock.status, clock.frozen_time), ("ready", to))

    @property
    def balance(self) -> int:
        found: int = self.world.api.customers.retrieve(self.id).balance  # type: ignore[assignment]
        return found

    def events(self, *types: str) -> list[str]:
        """Return what was said about this customer, the oldest first."""
        found = []
        for event in self.world.api.events.list(params={"limit": 100}).auto_paging_iter():
            about = event.to_dict()["data"]["object"]
            if self.id in (about.get("customer"), about.get("id")):
                found.append(event.type)
        return [name for name in reversed(found) if not types or name in types]


class World:
    """A Stripe, with two plans to subscribe to."""

    def __init__(self, base: str, key: str) -> None:
        self.client = stripe.StripeClient(key, base_addresses={"api": base}, max_network_retries=0)
        self.api = self.client.v1
        product = self.api.products.create(params={"name": "Plans of an outside program"}).id
        self.small = self.make_price(product, 3000, "month")
        self.large = self.make_price(product, 9000, "month")
        self.yearly = self.make_price(product, 30000, "year")
        self.once = self.api.prices.create(params={"product": product, "currency": "usd", "unit_amount": 500}).id

    def make_price(self, product: str, cents: int, interval: Any) -> str:
        values: Any = {"product": product, "currency": "usd", "unit_amount": cents, "recurring": {"interval": interval}}
        return self.api.prices.create(params=values).id

    def customer(self, card: str = "pm_card_visa", start: int = START) -> Customer:
        """Make somebody whose clock stands at 31 January, with a card."""
        clock = self.api.test_helpers.test_clocks.create(params={"frozen_time": start}).id
        customer = Customer(self, self.api.customers.create(params={"test_clock": clock}).id, clock)
        if card:
            customer.use_card(card)
        return customer

    def invoice(self, invoice_id: str) -> Any:
        return self.api.invoices.retrieve(invoice_id)

    def subscription(self, subscription_id: str) -> Any:
        return self.api.subscriptions.retrieve(subscription_id)

    def latest(self, subscription_id: str) -> Any:
        return self.invoice(self.subscription(subscription_id).latest_invoice)

    def change(self, subscription: Any, price: str, **params: Any) -> Any:
        given: Any = {"items": [{"id": subscription["items"].data[0].id, "price": price}], **params}
        return self.api.subscriptions.update(subscription.id, params=given)


def status_of(world: World, subscription: Any) -> str:
    found: str = world.subscription(subscription.id).status
    return found


def amounts(invoice: Any) -> list[int]:
    return [line.amount for line in invoice.lines.data]


# --- What is tried ------------------------------------------------------------------------------------------------


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


SCENARIOS: tuple[Callable[[World], str], ...] = (
    clocks,
    renewal,
    dunning,
    incomplete,
    endings,
    trials,
    schedules,
    prorations,
    behaviours,
    anchors,
    coupons,
    cards,
    money_back,
    balances,
)


def main() -> int:
    """Live through every scenario; exit code 1 at the first untruth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="where Stripe's API is: the sandbox's address, or https://api.stripe.com")
    parser.add_argument("--key", default="sk_test_outsideprogram0000000000", help="the secret key, of a test mode")
    parser.add_argument("--only", choices=[scenario.__name__ for scenario in SCENARIOS], help="one scenario alone")
    options = parser.parse_args()
    world = World(options.base.rstrip("/"), options.key)
    for scenario in SCENARIOS:
        if options.only in (None, scenario.__name__):
            try:
                sys.stdout.write(f"{scenario(world)}\n")
            except Untrue as untrue:
                sys.stderr.write(f"{scenario.__name__} ({scenario.__doc__}): {untrue}\n")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
