"""How the hosted pages write amounts, days and payment methods."""

from decimal import Decimal
from typing import Any

from billing.sandbox import cards, store

Data = dict[str, Any]

# https://docs.stripe.com/currencies: how many decimals the smallest unit stands for, where it is not two.
DECIMALS = dict.fromkeys(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"), 0
) | dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 3)
SYMBOLS = {
    "aud": "A$",
    "brl": "R$",
    "cad": "CA$",
    "eur": "€",
    "gbp": "£",
    "inr": "₹",
    "jpy": "¥",
    "krw": "₩",
    "mxn": "MX$",
    "nzd": "NZ$",
    "thb": "฿",
    "usd": "$",
    "vnd": "₫",
}
BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "discover": "Discover",
    "jcb": "JCB",
    "mastercard": "Mastercard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}
EFFECTS = {
    cards.PAYS: "Pays",
    cards.AUTHENTICATES: "Asks for 3-D Secure, until it is saved",
    cards.ALWAYS_AUTHENTICATES: "Asks for 3-D Secure every time",
    cards.ASKS_IN_PERSON: "Asks for 3-D Secure while the customer is there",
    cards.FAILS_LATER: "Can be saved, and is then refused at every payment",
    cards.IS_DISPUTED: "Pays, and is disputed as fraudulent a minute later",
    cards.IS_NOT_RECEIVED: "Pays, and is disputed as not received a minute later",
    cards.IS_INQUIRED: "Pays, and the bank inquires about it a minute later",
    cards.REFUNDS_LATER: "Pays; a refund is pending for a minute",
    cards.REFUND_FAILS: "Pays; a refund fails a minute later",
}


def format_money(amount: int, currency: str) -> str:
    """This will write an amount, given in the currency's smallest unit, as English-speaking customers read it."""
    decimals = DECIMALS.get(currency, 2)
    number = f"{abs(Decimal(amount)).scaleb(-decimals):,.{decimals}f}"
    symbol = SYMBOLS.get(currency, f"{currency.upper()} ")
    return f"{'−' if amount < 0 else ''}{symbol}{number}"


def format_day(seconds: int) -> str:
    """This will write the day of a time in Stripe's form: November 23, 2026."""
    moment = store.moment(seconds)
    return f"{moment:%B} {moment.day}, {moment.year}"


def format_moment(seconds: int) -> str:
    """This will write a time in Stripe's form to the second, in UTC."""
    return f"{store.moment(seconds):%Y-%m-%d %H:%M:%S}"


def describe_interval(recurring: Data) -> str:
    """This will write how often a price is due: month, 3 months."""
    count, interval = recurring["interval_count"], recurring["interval"]
    return str(interval) if count == 1 else f"{count} {interval}s"


def describe_method(payment_method: Data) -> str:
    """This will write a payment method as customers know it: Visa •••• 4242."""
    if payment_method["type"] == "card":
        card = payment_method["card"]
        return f"{BRANDS.get(card['brand'], card['brand'].capitalize())} •••• {card['last4']}"
    account = payment_method["us_bank_account"]
    return f"{account['bank_name'].title()} •••• {account['last4']}"


def format_expiry(card: Data) -> str:
    return f"{card['exp_month']:02d} / {card['exp_year'] % 100:02d}"


def describe_effect(outcome: str) -> str:
    """This will say what a test card or account with this outcome does."""
    if outcome in EFFECTS:
        return EFFECTS[outcome]
    return f"Refused: “{cards.REFUSALS[outcome].message}”"


def group_digits(number: str) -> str:
    """This will write a card number in groups of four, as it is printed."""
    if number.startswith(("34", "37")):
        return f"{number[:4]} {number[4:10]} {number[10:]}"
    return " ".join(number[index : index + 4] for index in range(0, len(number), 4))


def find_merchant_name() -> str:
    """This will return the name that customers know the sandbox's account by."""
    account = store.find_first("account")
    return str(account["business_profile"]["name"]) if account else "SmartSpec Pro"
