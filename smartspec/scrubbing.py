"""What never leaves this server in a log line or a report of an error: addresses, secrets, tokens, card numbers.

Ids are kept: by them an operator finds the person in the back-office.
"""

import re
from collections.abc import Mapping
from typing import Any

MASK = "[hidden]"
PATTERNS = (
    (re.compile(r"\b(?:[srp]k_(?:test|live)|whsec|s[su]k)_\w+"), MASK),  # Stripe's keys, and our own
    (re.compile(r"\b(Bearer|Api-Key|Basic)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"(://)[^\s/@]+@"), rf"\1{MASK}@"),  # name and password in a URL
    (re.compile(r"([?&](?:X-Amz-Signature|X-Amz-Credential|token|key|code)=)[^\s&\"']+", re.IGNORECASE), rf"\1{MASK}"),
    # A link that signs in or confirms an address, also as the `next` of another page.
    (re.compile(r"((/|%2F)account\2(?:open|verify)\2)[^\s/?&\"']+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"[\w.+%-]+(?:@|%(?:25)*40)[\w-]+(?:\.[\w-]+)+"), MASK),  # browsers send @ as %40
)
DIGITS = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])")
SECRET_NAMES = re.compile(r"password|secret|token|authorization|cookie|api_?key|(?:^|_)card|cvc", re.IGNORECASE)


def scrub(value: Any) -> Any:
    """Return a copy of what is to be logged or reported, without what must not be. Other types than JSON's stay."""
    if isinstance(value, str):
        return scrub_text(value)
    if isinstance(value, Mapping):
        return {
            key: MASK if isinstance(key, str) and SECRET_NAMES.search(key) and value[key] else scrub(value[key])
            for key in value
        }
    if isinstance(value, list | tuple):
        return [scrub(item) for item in value]
    return value


def scrub_text(text: str) -> str:
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return DIGITS.sub(lambda found: MASK if is_card_number(found[0]) else found[0], text)


def is_card_number(text: str) -> bool:
    """Tell whether digits pass the check that every card number passes (Luhn's)."""
    digits = [int(digit) for digit in reversed(text) if digit.isdigit()]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0
