"""The life cycles of money: what people, banks and time do, step by step, and what the books must say in the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta
from rest_framework.test import APIClient

from billing import gateway
from billing.sandbox import store
from billing.sandbox.services import disputes, moving, timekeeping
from billing.tests.conftest import open_credits, open_plan, pay, pay_later, settle_debit
from smartspec import clock


@dataclass
class Person:
    """Somebody whose life is played: their client of the API, what they opened, and how the product's work is done."""

    client: APIClient
    do_the_work: Callable[[datetime], object]
    session_id: str = ""
    made: dict[str, str] = field(default_factory=dict)

    @property
    def subscription(self) -> dict[str, Any]:
        """Their subscription, as it is at Stripe."""
        return store.get("subscription", store.get("checkout.session", self.session_id)["subscription"])

    @property
    def payment_intent_id(self) -> str:
        """What paid for their package."""
        return str(store.get("checkout.session", self.session_id)["payment_intent"])

    def post(self, path: str, **body: Any) -> None:
        answer = self.client.post(f"/api/payment/{path}", body)
        assert answer.status_code == 200, answer.content

    def change_plan(self, plan: str, interval: str = "monthly") -> None:
        body = {"new_plan": plan, "new_interval": interval}
        self.post("subscription/change-plan", subscription_id=self.subscription["id"], **body)


Step = Callable[[Person], object]


@dataclass(frozen=True)
class Books:
    """What must be true in the end.

    `credits` is what each source gave, less what was taken back for good; months are those of the plan's allowance.
    """

    tier: str
    credits: dict[str, float]
    debt: float = 0
    frozen: bool = False
    purchases: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    money_back: tuple[str, ...] = ()


@dataclass(frozen=True)
class Life:
    """One life cycle: what is opened by our API before anything happens at Stripe, the steps, and the end."""

    name: str
    opening: Step
    steps: Sequence[Step]
    books: Books
    # An hour that strikes before we hear of an upgrade gives the month by the old plan; the upgrade makes up for it.
    counts_in_all: bool = False

    def __str__(self) -> str:
        return self.name


# --- Time ---------------------------------------------------------------------------------------------------------


def travel(person: Person, to: datetime) -> None:
    """Let it become another time, with everything that happens by itself until then."""
    while (due_at := timekeeping.find_next_moment(until=to)) is not None:
        arrive(due_at)
        timekeeping.pass_time(now=due_at)
        person.do_the_work(due_at)
    arrive(to)
    person.do_the_work(to)


def arrive(moment: datetime) -> None:
    offset = moving.read_offset()
    assert offset is not None
    if moment > clock.now():
        moving.set_offset(offset + (moment - clock.now()) + timedelta(seconds=1))


def period_of(person: Person) -> tuple[datetime, datetime]:
    item = person.subscription["items"]["data"][0]
    return store.moment(item["current_period_start"]), store.moment(item["current_period_end"])


def renew(person: Person) -> None:
    """The paid period ends, and the hour for which its invoice is a draft."""
    travel(person, period_of(person)[1] + timedelta(hours=1, minutes=1))


def half_a_period(person: Person) -> None:
    start, end = period_of(person)
    travel(person, start + (end - start) / 2)


def half_a_month(person: Person) -> None:
    """Of the allowance, whatever the interval."""
    start = period_of(person)[0]
    travel(person, start + (start + relativedelta(months=1) - start) / 2)


def days(count: int) -> Step:
    return lambda person: travel(person, clock.now() + timedelta(days=count))


# --- Acts ---------------------------------------------------------------------------------------------------------


def open_package(person: Person) -> None:
    person.session_id = open_credits(person.client, 100)


def open_subscription(plan: str = "pro", interval: str = "monthly") -> Step:
    def step(person: Person) -> None:
        person.session_id = open_plan(person.client, plan, interval)

    return step


def pay_by_card(person: Person) -> None:
    assert pay(person.session_id).status == "complete"


def pay_by_bank(person: Person) -> None:
    pay_later(person.session_id)


def bank_says(outcome: str) -> Step:
    return lambda person: settle_debit(person.session_id, outcome)


def use_card(name: str) -> Step:
    """Another card, as in the portal: the customer's default, and the subscription's."""

    def step(person: Person) -> None:
        api, subscription = gateway.client().v1, person.subscription
        method = api.payment_methods.attach(name, {"customer": subscription["customer"]})
        api.customers.update(subscription["customer"], {"invoice_settings": {"default_payment_method": method.id}})
        gateway.update_subscription(subscription["id"], {"default_payment_method": method.id})

    return step


def change_to(plan: str, interval: str = "monthly") -> Step:
    return lambda person: person.change_plan(plan, interval)


def upgrade_at_stripe(person: Person) -> None:
    """As staff do it in Stripe's dashboard."""
    subscription = person.subscription
    values = {
        "items": [{"id": subscription["items"]["data"][0]["id"], "price": "price_smartspec_enterprise_monthly"}],
        "proration_behavior": "always_invoice",
    }
    gateway.update_subscription(subscription["id"], values)


def cancel(at_period_end: bool) -> Step:
    return lambda person: person.post(
        "subscription/cancel", subscription_id=person.subscription["id"], at_period_end=at_period_end
    )


def refund(cents: int) -> Step:
    """In Stripe's dashboard."""

    def step(person: Person) -> None:
        values = {"payment_intent": person.payment_intent_id, "amount": cents}
        number = len(person.made)
        person.made[f"refund {number}"] = gateway.create_refund(values=values, idempotency_key=f"refund:{number}")["id"]

    return step


def dispute(person: Person) -> None:
    """The customer's bank takes the money."""
    charge = store.get("payment_intent", person.payment_intent_id)["latest_charge"]
    person.made["dispute"] = disputes.open_dispute(charge, now=clock.now())["id"]


def decide(outcome: Any) -> Step:
    return lambda person: disputes.close_dispute(person.made["dispute"], now=clock.now(), outcome=outcome)


# --- The lives ----------------------------------------------------------------------------------------------------

PRO, ENTERPRISE = "pro monthly active", "enterprise monthly active"

PURCHASES = (
    Life(
        "purchase by card",
        open_package,
        [pay_by_card],
        Books("free", {"purchase": 100, "bonus": 5}, purchases=("fulfilled 900",)),
    ),
    Life(
        "purchase by a delayed method that succeeds",
        open_package,
        [pay_by_bank, bank_says("succeed")],
        Books("free", {"purchase": 100, "bonus": 5}, purchases=("fulfilled 900",)),
    ),
    Life(
        "purchase by a delayed method that fails",
        open_package,
        [pay_by_bank, bank_says("fail")],
        Books("free", {}, purchases=("failed None",)),
    ),
)

PLANS = (
    Life(
        "subscription by a delayed method that succeeds",
        open_subscription(),
        [pay_by_bank, bank_says("succeed")],
        Books("pro", {"month 1": 500}, subscriptions=(PRO,)),
    ),
    Life(
        "subscription by a delayed method that fails",
        open_subscription(),
        [pay_by_bank, bank_says("fail")],
        Books("free", {}, subscriptions=("pro monthly canceled",)),
    ),
    Life(
        "subscription by the month",
        open_subscription(),
        [pay_by_card, renew],
        Books("pro", {"month 1": 500, "month 2": 500}, subscriptions=(PRO,)),
    ),
    Life(
        "subscription by the year",
        open_subscription("pro", "yearly"),
        [pay_by_card, renew],
        Books("pro", {f"month {n}": 500 for n in range(1, 14)}, subscriptions=("pro yearly active",)),
    ),
    Life(
        "upgrade",
        open_subscription(),
        [pay_by_card, half_a_period, change_to("enterprise"), renew],
        # Half a month of each: 250 + 2,500, less the 500 that the month has given.
        Books("enterprise", {"month 1": 500, "upgrade 1": 2250, "month 2": 5000}, subscriptions=(ENTERPRISE,)),
    ),
    Life(
        "upgrade inside a paid year",
        open_subscription("pro", "yearly"),
        [pay_by_card, half_a_month, change_to("enterprise", "yearly"), days(20)],
        Books(
            "enterprise",
            {"month 1": 500, "upgrade 1": 2250, "month 2": 5000},
            subscriptions=("enterprise yearly active",),
        ),
        counts_in_all=True,
    ),
    Life(
        "upgrade in Stripe's dashboard",
        open_subscription(),
        [pay_by_card, half_a_period, upgrade_at_stripe],
        Books("enterprise", {"month 1": 500, "upgrade 1": 2250}, subscriptions=(ENTERPRISE,)),
    ),
    Life(
        "downgrade",
        open_subscription("enterprise"),
        [pay_by_card, change_to("pro"), renew],
        Books("pro", {"month 1": 5000, "month 2": 500}, subscriptions=(PRO,)),
    ),
)

ENDS = (
    Life(
        "cancel at the period's end",
        open_subscription(),
        [pay_by_card, cancel(at_period_end=True), renew],
        Books("free", {"month 1": 500}, subscriptions=("pro monthly canceled",)),
    ),
    Life(
        "cancel now",
        open_subscription(),
        [pay_by_card, cancel(at_period_end=False)],
        Books("free", {"month 1": 500}, subscriptions=("pro monthly canceled",)),
    ),
    Life(
        "dunning with recovery",
        open_subscription(),
        [pay_by_card, use_card("pm_card_chargeCustomerFail"), renew, use_card("pm_card_visa"), days(4)],
        Books("pro", {"month 1": 500, "month 2": 500}, subscriptions=(PRO,)),
    ),
    Life(
        "dunning with loss",
        open_subscription(),
        [pay_by_card, use_card("pm_card_chargeCustomerFail"), renew, days(22)],
        Books("free", {"month 1": 500}, subscriptions=("pro monthly canceled",)),
    ),
)

MONEY_BACK = (
    Life(
        "refund in full",
        open_package,
        [pay_by_card, refund(900)],
        Books("free", {"purchase": 0, "bonus": 0}, purchases=("fulfilled 900",), money_back=("refund 900 succeeded",)),
    ),
    Life(
        "refund in two parts",
        open_package,
        [pay_by_card, refund(300), refund(200)],
        Books(
            "free",
            # 300/900 and 200/900 of each, every share floored to a millionth.
            {"purchase": 44.444445, "bonus": 2.222223},
            purchases=("fulfilled 900",),
            money_back=("refund 200 succeeded", "refund 300 succeeded"),
        ),
    ),
    Life(
        "dispute that is won",
        open_package,
        [pay_by_card, dispute, decide("won")],
        Books("free", {"purchase": 100, "bonus": 5}, purchases=("fulfilled 900",), money_back=("dispute 900 won",)),
    ),
    Life(
        "dispute that is lost",
        open_package,
        [pay_by_card, dispute, decide("lost")],
        Books(
            "free",
            {"purchase": 0, "bonus": 0},
            frozen=True,
            purchases=("fulfilled 900",),
            money_back=("dispute 900 lost",),
        ),
    ),
)
