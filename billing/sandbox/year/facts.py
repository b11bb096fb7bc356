"""What is told about a year: Stripe's side from Stripe's events, ours from the API, and what the people did."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.sandbox import store
from billing.sandbox.year.people import Expected
from billing.sandbox.year.person import Person

Data = dict[str, Any]
ZERO = Decimal(0)
LINES_BEGIN = "1 × SmartSpec Pro: "

# What an entry of the ledger counts as.
WHAT_COUNTS = {
    "subscription": "given",
    "purchase": "bought",
    "bonus": "bought",
    "usage": "used",
    "expiry": "expired",
    "clawback": "taken_back",
}


@dataclass(frozen=True)
class Fact:
    """One line of a year: something done, money that moved at Stripe, or an entry of the ledger."""

    at: datetime
    rank: int  # of what happened at once: deeds, money, credits
    what: str
    cents: int | None = None
    kind: str = ""  # the entry's
    credits: Decimal | None = None
    balance: Decimal | None = None


def tell(person: Person) -> list[Fact]:
    """Return everything that happened to a person, in order."""
    facts = [Fact(at, 0, what) for at, what in person.notes]
    facts += tell_money(person.customer_id)
    facts += tell_credits(person)
    return sorted(facts, key=lambda fact: (fact.at.replace(microsecond=0), fact.rank))


def tell_money(customer_id: str) -> Iterable[Fact]:
    """Yield what moved at Stripe: paid and refused invoices, refunds, disputes, ends of subscriptions."""
    charges = {charge["id"] for charge in store.find("charge", customer=customer_id)}
    for event in reversed(store.find("event")):
        about, at = event["data"]["object"], store.moment(event["created"])
        if about.get("customer") != customer_id and about.get("charge") not in charges:
            continue
        match event["type"]:
            case "invoice.paid":
                lines = "; ".join(line["description"].removeprefix(LINES_BEGIN) for line in about["lines"]["data"])
                yield Fact(at, 1, f"invoice {about['number']} paid: {lines}", cents=about["amount_paid"])
            case "invoice.payment_failed":
                attempt = f"attempt {about['attempt_count']}"
                yield Fact(at, 1, f"invoice {about['number']} refused, {attempt}: ${about['amount_due'] / 100:,.2f}")
            case "refund.created":
                yield Fact(at, 1, "refund", cents=-about["amount"])
            case "charge.dispute.funds_withdrawn":
                yield Fact(at, 1, f"dispute opened: {about['reason']}", cents=-about["amount"])
            case "charge.dispute.closed":
                yield Fact(at, 1, f"dispute {about['status']}")
            case "customer.subscription.deleted":
                yield Fact(at, 1, "the subscription has ended")


def tell_credits(person: Person) -> list[Fact]:
    """Return the entries, as the app shows them, the oldest first."""
    found: list[Fact] = []
    page, pages = 1, 1
    while page <= pages:
        answer = person.account.caller.get("/api/credits/transactions", page=page, limit=100)
        found += [
            Fact(
                datetime.fromisoformat(entry["created_at"]),
                2,
                entry["description"],
                kind=entry["transaction_type"],
                credits=Decimal(str(entry["amount"])),
                balance=Decimal(str(entry["balance_after"])),
            )
            for entry in answer["transactions"]
        ]
        page, pages = page + 1, answer["pages"]
    return found[::-1]


@dataclass(frozen=True)
class Found:
    """The year in figures, as they were found: money from Stripe's side, credits from the ledger, plan from the API."""

    paid_cents: int
    returned_cents: int
    given: Decimal
    bought: Decimal
    used: Decimal
    expired: Decimal
    taken_back: Decimal
    balance: Decimal
    plan: str

    def differences(self, expected: Expected) -> list[str]:
        """Return one sentence for each figure that is not what was expected, or does not add up."""
        wrong = [
            f"{name.replace('_', ' ')} is {found:,}, expected {value:,}"
            if not isinstance(value, str)
            else f"{name} is {found}, expected {value}"
            for name, value in vars(expected).items()
            if (found := getattr(self, name)) != value
        ]
        total = self.given + self.bought - self.used - self.expired - self.taken_back
        if total != self.balance:
            wrong.append(f"the entries add up to {total:,}, the balance is {self.balance:,}")
        return wrong


def add_up(person: Person, facts: list[Fact]) -> Found:
    sums = dict.fromkeys(WHAT_COUNTS.values(), ZERO)
    for fact in facts:
        if fact.credits is not None:
            sums[WHAT_COUNTS[fact.kind]] += fact.credits
    balance = person.account.caller.get("/api/credits/balance")
    return Found(
        paid_cents=sum(fact.cents for fact in facts if fact.cents and fact.cents > 0),
        returned_cents=-sum(fact.cents for fact in facts if fact.cents and fact.cents < 0),
        given=sums["given"],
        bought=sums["bought"],
        used=-sums["used"],
        expired=-sums["expired"],
        taken_back=-sums["taken_back"],
        balance=Decimal(str(balance["available_credits"])) - Decimal(str(balance["debt_credits"])),
        plan=balance["subscription_tier"],
    )
