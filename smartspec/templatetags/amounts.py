"""How credits, money and the time that is left are written, in the language of the page."""

from datetime import datetime
from decimal import Decimal, InvalidOperation

from django import template
from django.utils import formats
from django.utils.translation import gettext, ngettext

from smartspec import clock

register = template.Library()

SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "thb": "฿", "jpy": "¥"}
WITHOUT_MINOR_UNIT = ("jpy", "krw", "vnd")
MINUS = "−"


@register.filter(name="credits")
def credits_text(value: Decimal | int | str) -> str:
    """`{{ 1234.500000|credits }}`: 1,234.5; exact, without trailing zeros."""
    number = Decimal(value)
    text = f"{abs(number).normalize():f}"
    return f"{MINUS if number < 0 else ''}{formats.number_format(text, use_l10n=True, force_grouping=True)}"


@register.filter
def signed_credits(value: Decimal | int) -> str:
    """`{{ 105|signed_credits }}`: +105."""
    return f"+{credits_text(value)}" if Decimal(value) > 0 else credits_text(value)


@register.filter
def grammatical_number(value: Decimal | int | str) -> int:
    """`{% blocktranslate with left=x|credits count number=x|grammatical_number %}`: 1 for exactly one, else 2."""
    try:
        return 1 if Decimal(value) == 1 else 2
    except InvalidOperation:
        # Where `with` writes over its own name, this gets what `credits` wrote: with separators, so a thousand or more.
        return 2


def in_whole_units(amount: int, currency: str) -> Decimal:
    """Return cents as dollars, with both places; a yen has no cents."""
    return Decimal(amount).scaleb(0 if currency.lower() in WITHOUT_MINOR_UNIT else -2)


@register.filter
def money(amount: int, currency: str = "usd") -> str:
    """`{{ 1233|money:"usd" }}`: $12.33; whole amounts without cents. `amount` is in the currency's minor unit."""
    number = in_whole_units(abs(amount), currency)
    if number == number.to_integral_value():
        number = number.to_integral_value()
    text = formats.number_format(f"{number:f}", use_l10n=True, force_grouping=True)
    symbol = SYMBOLS.get(currency.lower())
    text = f"{symbol}{text}" if symbol else f"{text} {currency.upper()}"
    return f"{MINUS}{text}" if amount < 0 else text


@register.filter
def price_per_credit(cents: Decimal) -> str:
    """`{{ package.cents_per_credit|price_per_credit }}`: $0.09, $0.0625."""
    dollars = (Decimal(cents) / 100).quantize(Decimal("0.0001")).normalize()
    text = f"{dollars:f}"
    whole, _, places = text.partition(".")
    return f"${formats.number_format(f'{whole}.{places:0<2}', use_l10n=True)}"


@register.filter
def time_left(moment: datetime) -> str:
    """`{{ balance.period_end|time_left }}`: in 12 days, tomorrow, today."""
    days = (moment.date() - clock.now().date()).days
    if days <= 0:
        return gettext("today")
    if days == 1:
        return gettext("tomorrow")
    return ngettext("in %(days)d day", "in %(days)d days", days) % {"days": days}


@register.filter
def storage_size(megabytes: int) -> str:
    """`{{ 5000|storage_size }}`: 5 GB."""
    return f"{credits_text(Decimal(megabytes) / 1000)} GB" if megabytes >= 1000 else f"{credits_text(megabytes)} MB"
