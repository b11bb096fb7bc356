"""The year on paper: one line for each fact, in months, with sums that a person can check."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from billing.sandbox.year.facts import Fact, Found
from billing.sandbox.year.people import Part
from billing.sandbox.year.person import Person

WIDTH = 118
FACT_WIDTH = 68


def write_person(number: int, part: Part, person: Person, facts: list[Fact], found: Found) -> Iterator[str]:
    """Yield one person's year."""
    yield ""
    yield f"{number}. {part.name} {part.about}"
    yield f"   {person.account.email}"
    yield _line("month", "date", "what happened", "money", "credits", "balance")
    yield "-" * WIDTH
    shown_month = 0
    for fact in facts:
        month = max(n for n in range(1, 14) if n == 1 or person.month(n).replace(microsecond=0) <= fact.at)
        if month != shown_month and shown_month:
            yield ""
        yield _line(
            str(month) if month != shown_month else "",
            f"{fact.at:%Y-%m-%d %H:%M}",
            fact.what,
            "" if fact.cents is None else money(fact.cents),
            "" if fact.credits is None else signed(fact.credits),
            "" if fact.balance is None else plain(fact.balance),
        )
        shown_month = month
    yield "-" * WIDTH
    entries = found.given + found.bought - found.used - found.expired - found.taken_back
    yield _line("", "", "sum", money(found.paid_cents - found.returned_cents), plain(entries), plain(found.balance))
    parts = [
        f"given {plain(found.given)}",
        f"+ bought {plain(found.bought)}",
        f"- used {plain(found.used)}",
        f"- expired {plain(found.expired)}",
        f"- taken back {plain(found.taken_back)}",
        f"= {plain(entries)}",
    ]
    yield f"   {' '.join(parts)}"
    yield "   Expected:"
    yield from (f"     {line}" for line in part.reckoning)
    wrong = found.differences(part.expected)
    yield from (f"   WRONG: {sentence}" for sentence in wrong)
    if not wrong:
        yield "   As expected."


def write_summary(cast: Sequence[Part], founds: list[Found]) -> Iterator[str]:
    """Yield all of them in one table, with its sums."""
    names = ("paid", "returned", "given", "bought", "used", "expired", "taken back", "balance")
    yield ""
    yield "All of them"
    yield f"{'':<8}" + "".join(f"{name:>13}" for name in names)
    yield "-" * WIDTH
    sums = [Decimal(0)] * len(names)
    for part, found in zip(cast, founds, strict=True):
        figures = [
            Decimal(found.paid_cents),
            Decimal(found.returned_cents),
            found.given,
            found.bought,
            found.used,
            found.expired,
            found.taken_back,
            found.balance,
        ]
        sums = [total + figure for total, figure in zip(sums, figures, strict=True)]
        yield _figures(part.name, figures)
    yield "-" * WIDTH
    yield _figures("sum", sums)


def _figures(name: str, figures: list[Decimal]) -> str:
    texts = [money(int(figure)) if n < 2 else plain(figure) for n, figure in enumerate(figures)]
    return f"{name:<8}" + "".join(f"{text:>13}" for text in texts)


def _line(month: str, date: str, what: str, money_text: str, credits: str, balance: str) -> str:
    shown = what if len(what) <= FACT_WIDTH else what[: FACT_WIDTH - 1] + "…"
    return f"{month:>5}  {date:<16}  {shown:<{FACT_WIDTH}}{money_text:>10}{credits:>8}{balance:>8}".rstrip()


def money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}${abs(cents) / 100:,.2f}"


def signed(credits: Decimal) -> str:
    return ("+" if credits > 0 else "") + plain(credits)


def plain(credits: Decimal) -> str:
    return f"{credits:,.0f}" if credits == credits.to_integral_value() else f"{credits.normalize():,f}"
