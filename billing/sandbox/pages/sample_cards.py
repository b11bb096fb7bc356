"""The test cards and accounts, for people."""

from dataclasses import dataclass

from billing.sandbox import cards, presentation

# Those that most people want, under the card form.
SHOWN_FIRST = ("4242424242424242", "4000000000000002", "4000000000009995", "4000002500003155")
HINTS = ("Pays", "Is refused by the bank", "Has too little money on it", "Asks for 3-D Secure")


@dataclass(frozen=True)
class Hint:
    """A number that may be typed, and what comes of it."""

    number: str
    effect: str
    brand: str = ""


def list_hints() -> list[Hint]:
    """This will return the four cards that a demonstration needs."""
    pairs = zip(SHOWN_FIRST, HINTS, strict=True)
    return [Hint(presentation.group_digits(number), effect) for number, effect in pairs]


def list_cards() -> tuple[list[Hint], list[Hint]]:
    """This will return the four cards that most people want, and all others."""
    rest = [number for number in cards.CARDS if number not in SHOWN_FIRST]
    return [_describe(number) for number in SHOWN_FIRST], [_describe(number) for number in rest]


def list_accounts() -> list[Hint]:
    """This will return the test bank accounts."""
    effects = {
        cards.PAYS: "The bank pays after a few seconds",
        "account_closed": "The account turns out to be closed",
        "no_account": "The account turns out not to exist",
        "debit_insufficient_funds": "The account turns out to be empty",
        "debit_not_authorized": "The customer tells the bank that they never agreed",
        cards.STAYS_PROCESSING: "I play the bank: it answers when I say so",
    }
    return [Hint(number, effects[outcome]) for number, outcome in cards.BANK_ACCOUNTS.items()]


def _describe(number: str) -> Hint:
    card = cards.CARDS[number]
    brand = presentation.BRANDS.get(card.brand, card.brand)
    effect = presentation.describe_effect(card.outcome)
    if card.after_authentication != cards.PAYS:
        effect = f"{effect}; then: {presentation.describe_effect(card.after_authentication)}"
    return Hint(
        presentation.group_digits(number),
        effect,
        brand if card.funding == "credit" else f"{brand}, {card.funding}",
    )
