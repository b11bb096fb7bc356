"""The seven, what each of them does in the year, and what the books must say in the end, worked out by hand."""

from collections.abc import Callable
from dataclasses import dataclass

from billing.sandbox.year.person import Person


@dataclass(frozen=True)
class Expected:
    """Whole figures of the year. `balance` is given + bought - used - expired - taken back; below zero it is debt."""

    paid_cents: int
    given: int
    balance: int
    returned_cents: int = 0
    bought: int = 0
    used: int = 0
    expired: int = 0
    taken_back: int = 0
    plan: str = "free"


@dataclass(frozen=True)
class Part:
    """One person's part: a name, a line about them, what they do, and what must come of it, with the reckoning."""

    name: str
    about: str
    act: Callable[[Person], None]
    expected: Expected
    reckoning: tuple[str, ...]


def pay_by_the_year(person: Person) -> None:
    person.subscribe("pro", "yearly")
    person.wait_for(1, share=0.5)
    person.spend(320)
    person.wait_for(5, share=0.5)
    person.spend(500)


def recover(person: Person) -> None:
    person.subscribe("pro", "monthly")
    person.wait_for(2, share=0.5)
    person.card_fails()
    person.wait_for(3, share=0.05)
    person.card_works()
    person.wait_for(6, share=0.5)
    person.spend(200)


def never_recover(person: Person) -> None:
    person.subscribe("pro", "monthly")
    person.wait_for(2, share=0.5)
    person.card_fails()


def upgrade(person: Person) -> None:
    person.subscribe("pro", "monthly")
    person.wait_for(2, share=0.5)
    person.change_plan("enterprise")


def downgrade(person: Person) -> None:
    person.subscribe("enterprise", "monthly")
    person.wait_for(2, share=0.5)
    person.change_plan("pro")


def be_refunded(person: Person) -> None:
    person.buy(100)
    person.wait_for(1, share=0.5)
    person.spend(60)
    person.wait_for(2, share=0.5)
    person.is_refunded()
    person.wait_for(4, share=0.5)
    person.buy(100)


def dispute(person: Person) -> None:
    person.buy(250)
    person.wait_for(1, share=0.5)
    person.spend(100)
    person.wait_for(2, share=0.5)
    person.disputes()


CAST = (
    Part(
        "Yara",
        "pays Pro by the year",
        pay_by_the_year,
        Expected(paid_cents=29_000, given=6_010, used=820, expired=4_690, balance=500, plan="pro"),
        (
            "paid      1 year x $290 = $290",
            "given     10 from Free at sign-up + 12 months x 500 of Pro = 6,010",
            "used      320 + 500 = 820; what ends first goes first, so Free's 10 are among the 320",
            "expired   month 1: 500 - 310 = 190; month 5: 0; the other nine months before the last: 4,500; = 4,690",
            "balance   6,010 - 820 - 4,690 = 500, the last month's",
        ),
    ),
    Part(
        "Max",
        "pays Pro by the month; the card fails in month 3, and recovers",
        recover,
        Expected(paid_cents=34_800, given=6_010, used=200, expired=5_310, balance=500, plan="pro"),
        (
            "paid      12 months x $29 = $348; month 3 at the second attempt, with the new card",
            "given     10 from Free + 12 months x 500 = 6,010; nothing for month 3 before it is paid, and then once",
            "expired   10 of Free, 10 months x 500, and of month 6: 500 - 200 = 300; = 5,310",
            "balance   6,010 - 200 - 5,310 = 500, the last month's",
        ),
    ),
    Part(
        "Nora",
        "pays Pro by the month; the card fails in month 3, and never recovers",
        never_recover,
        Expected(paid_cents=5_800, given=1_110, expired=1_100, balance=10),
        (
            "paid      2 months x $29 = $58; month 3 is tried 5 times within 21 days, then the subscription ends",
            "given     10 from Free + 2 months x 500 + Free again, months 3 to 12: 10 x 10; = 1,110",
            "expired   everything but the last 10: 1,100",
        ),
    ),
    Part(
        "Uma",
        "changes up, from Pro to Enterprise, in the middle of month 2",
        upgrade,
        Expected(paid_cents=213_300, given=53_260, expired=48_260, balance=5_000, plan="enterprise"),
        (
            "paid      2 x $29 + half a month's difference, ($199 - $29) / 2 = $85, + 10 x $199 = $2,133",
            "given     10 from Free + 2 x 500 + 10 x 5,000, and for the change: half a month of each plan less",
            "          what the month gave, 250 + 2,500 - 500 = 2,250; = 53,260",
            "expired   everything but the last month's 5,000",
        ),
    ),
    Part(
        "Dan",
        "changes down, from Enterprise to Pro, in month 2",
        downgrade,
        Expected(paid_cents=68_800, given=15_010, expired=14_510, balance=500, plan="pro"),
        (
            "paid      2 x $199 + 10 x $29 = $688; the change waits for the end of the paid month",
            "given     10 from Free + 2 x 5,000 + 10 x 500 = 15,010",
            "expired   everything but the last month's 500",
        ),
    ),
    Part(
        "Rita",
        "buys, spends, is refunded, and owes what she spent until she buys again",
        be_refunded,
        Expected(
            paid_cents=1_800,
            returned_cents=900,
            given=120,
            bought=210,
            used=60,
            expired=70,
            taken_back=105,
            balance=95,
        ),
        (
            "paid      2 x $9; $9 went back",
            "given     12 months x 10 of Free = 120; bought 2 x (100 + 5 bonus) = 210",
            "taken     back: 105, of which 55 + 10 are there; 40 are debt. Months 3 and 4 of Free pay 20 of it, the",
            "          second purchase the other 20",
            "expired   Free's 10 of months 5 to 11: 70",
            "balance   120 + 210 - 60 - 70 - 105 = 95: 85 bought ones, and Free's last 10",
        ),
    ),
    Part(
        "Theo",
        "buys, spends, and disputes the payment; nobody answers the bank, and the dispute is lost",
        dispute,
        Expected(
            paid_cents=2_000,
            returned_cents=2_000,
            given=120,
            bought=265,
            used=100,
            expired=10,
            taken_back=265,
            balance=10,
        ),
        (
            "paid      $20, which the bank took back",
            "given     12 months x 10 of Free = 120; bought 250 + 15 bonus = 265",
            "taken     back: 265, of which 175 + 10 are there; 80 are debt, which Free's months 3 to 10 pay",
            "expired   Free's 10 of month 11; the account stays frozen until staff lift that",
            "balance   120 + 265 - 100 - 10 - 265 = 10, Free's last",
        ),
    ),
)
