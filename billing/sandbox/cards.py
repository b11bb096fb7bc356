"""Stripe's test cards and test bank accounts: what each number does, and the sentences that a customer reads.

https://docs.stripe.com/testing
"""

from dataclasses import dataclass
from datetime import datetime

from billing.sandbox.errors import CardDeclined

PAYS = "pays"
AUTHENTICATES = "authenticates"  # asks for 3-D Secure until it was set up for later use
ALWAYS_AUTHENTICATES = "always_authenticates"
ASKS_IN_PERSON = "asks_in_person"  # asks for 3-D Secure while the customer is there, and never when they are not
FAILS_LATER = "fails_later"  # can be saved, and then fails every payment
IS_DISPUTED = "is_disputed"  # pays, and is disputed as fraudulent soon after
IS_NOT_RECEIVED = "is_not_received"  # pays, and is disputed because nothing arrived
IS_INQUIRED = "is_inquired"  # pays, and the bank asks about it
REFUNDS_LATER = "refunds_later"  # pays; a refund is pending at first
STAYS_PROCESSING = "stays_processing"  # a debit that its bank never answers by itself
REFUND_FAILS = "refund_fails"  # pays; a refund succeeds at first and fails later

# What a card's payment is disputed for: Stripe's `reason`, and whether it is only an inquiry.
DISPUTES = {
    IS_DISPUTED: ("fraudulent", False),
    IS_NOT_RECEIVED: ("product_not_received", False),
    IS_INQUIRED: ("fraudulent", True),
}


@dataclass(frozen=True)
class Refusal:
    """Why a payment failed: Stripe's `code` and `decline_code`, and the sentence for the customer."""

    code: str
    decline_code: str | None
    message: str


REFUSALS = {
    "generic_decline": Refusal("card_declined", "generic_decline", "Your card was declined."),
    "insufficient_funds": Refusal("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "lost_card": Refusal("card_declined", "lost_card", "Your card was declined."),
    "stolen_card": Refusal("card_declined", "stolen_card", "Your card was declined."),
    "card_velocity_exceeded": Refusal(
        "card_declined",
        "card_velocity_exceeded",
        "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    ),
    "fraudulent": Refusal("card_declined", "fraudulent", "Your card was declined."),
    "expired_card": Refusal("expired_card", "expired_card", "Your card has expired."),
    "incorrect_cvc": Refusal("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."),
    "processing_error": Refusal(
        "processing_error",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    "test_mode_live_card": Refusal(
        "card_declined",
        "test_mode_live_card",
        "Your card was declined. Your request was in test mode, but used a non test (live) card. "
        "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
    ),
    "authentication_failed": Refusal(
        "payment_intent_authentication_failure",
        None,
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    ),
    "authentication_required": Refusal(
        "authentication_required",
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
    ),
    "account_closed": Refusal(
        "bank_account_unusable", None, "The customer's bank account could not be used: it has been closed."
    ),
    "no_account": Refusal("bank_account_unusable", None, "The customer's bank account could not be located."),
    "debit_not_authorized": Refusal(
        "debit_not_authorized",
        None,
        "The customer notified their bank that this payment was unauthorized.",
    ),
    "debit_insufficient_funds": Refusal(
        "payment_method_provider_decline", None, "The customer's account has insufficient funds to cover this payment."
    ),
}


@dataclass(frozen=True)
class TestCard:
    """One of Stripe's numbers. `outcome` is one of the constants above or a key of REFUSALS; so is what comes after a
    3-D Secure check that was passed."""

    brand: str
    outcome: str = PAYS
    funding: str = "credit"
    country: str = "US"
    after_authentication: str = PAYS
    cvc_check: str = "pass"


CARDS = {
    "4242424242424242": TestCard("visa"),
    "4000056655665556": TestCard("visa", funding="debit"),
    "5555555555554444": TestCard("mastercard"),
    "2223003122003222": TestCard("mastercard"),
    "5200828282828210": TestCard("mastercard", funding="debit"),
    "5105105105105100": TestCard("mastercard", funding="prepaid"),
    "378282246310005": TestCard("amex"),
    "371449635398431": TestCard("amex"),
    "6011111111111117": TestCard("discover"),
    "6011000990139424": TestCard("discover"),
    "3056930009020004": TestCard("diners"),
    "36227206271667": TestCard("diners"),
    "3566002020360505": TestCard("jcb"),
    "6200000000000005": TestCard("unionpay"),
    "4000002500003155": TestCard("visa", AUTHENTICATES),
    "4000002760003184": TestCard("visa", ALWAYS_AUTHENTICATES),
    "4000000000003220": TestCard("visa", ALWAYS_AUTHENTICATES),
    "4000000000003063": TestCard("visa", ALWAYS_AUTHENTICATES),
    "4000003800000446": TestCard("visa", ASKS_IN_PERSON),
    "4000008260003178": TestCard("visa", ALWAYS_AUTHENTICATES, after_authentication="insufficient_funds"),
    "4000008400001629": TestCard("visa", ALWAYS_AUTHENTICATES, after_authentication="generic_decline"),
    "4000008400001280": TestCard("visa", "processing_error"),
    "4000000000003055": TestCard("visa"),
    "4000000000003097": TestCard("visa"),
    "4000000000000341": TestCard("visa", FAILS_LATER),
    "4000000000000259": TestCard("visa", IS_DISPUTED),
    "4000000000002685": TestCard("visa", IS_NOT_RECEIVED),
    "4000000000001976": TestCard("visa", IS_INQUIRED),
    "4000000000007726": TestCard("visa", REFUNDS_LATER),
    "4000000000005126": TestCard("visa", REFUND_FAILS),
    "4000000000000002": TestCard("visa", "generic_decline"),
    "4000000000009995": TestCard("visa", "insufficient_funds"),
    "4000000000009987": TestCard("visa", "lost_card"),
    "4000000000009979": TestCard("visa", "stolen_card"),
    "4000000000000069": TestCard("visa", "expired_card"),
    "4000000000000127": TestCard("visa", "incorrect_cvc"),
    "4000000000000119": TestCard("visa", "processing_error"),
    "4000000000006975": TestCard("visa", "card_velocity_exceeded"),
    "4100000000000019": TestCard("visa", "fraudulent"),
    "4000000000000077": TestCard("visa"),
    "4000003720000278": TestCard("visa", country="IE"),
    "4000000000000101": TestCard("visa", cvc_check="fail"),
    "4000000000009235": TestCard("visa"),
    "4000000000005423": TestCard("visa"),
    "4000000760000002": TestCard("visa", country="BR"),
    "4000001240000000": TestCard("visa", country="CA"),
    "4000004840008001": TestCard("visa", country="MX"),
    "4000008260000000": TestCard("visa", country="GB"),
    "4000002760000016": TestCard("visa", country="DE"),
    "4000002500000003": TestCard("visa", country="FR"),
    "4000000360000006": TestCard("visa", country="AU"),
    "4000003560000008": TestCard("visa", country="IN"),
    "4000003920000003": TestCard("visa", country="JP"),
    "4000007020000003": TestCard("visa", country="SG"),
    "4000007640000003": TestCard("visa", country="TH"),
}

# `pm_card_…`: named payment methods that the API takes in place of a real one.
NAMED_CARDS = {
    "pm_card_visa": "4242424242424242",
    "pm_card_visa_debit": "4000056655665556",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_mastercard_debit": "5200828282828210",
    "pm_card_mastercard_prepaid": "5105105105105100",
    "pm_card_amex": "378282246310005",
    "pm_card_amex_threeDSecureNotSupported": "378282246310005",
    "pm_card_discover": "6011111111111117",
    "pm_card_diners": "3056930009020004",
    "pm_card_jcb": "3566002020360505",
    "pm_card_unionpay": "6200000000000005",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedLostCard": "4000000000009987",
    "pm_card_visa_chargeDeclinedStolenCard": "4000000000009979",
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": "4000000000006975",
    "pm_card_chargeDeclinedFraudulent": "4100000000000019",
    "pm_card_chargeDeclinedExpiredCard": "4000000000000069",
    "pm_card_chargeDeclinedIncorrectCvc": "4000000000000127",
    "pm_card_chargeDeclinedProcessingError": "4000000000000119",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_createDispute": "4000000000000259",
    "pm_card_createDisputeProductNotReceived": "4000000000002685",
    "pm_card_createDisputeInquiry": "4000000000001976",
    "pm_card_pendingRefund": "4000000000007726",
    "pm_card_refundFail": "4000000000005126",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_authenticationRequiredOnSetup": "4000002500003155",
    "pm_card_threeDSecure2Required": "4000000000003220",
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": "4000008260003178",
    "pm_card_authenticationRequiredSetupForOffSession": "4000003800000446",
    "pm_card_threeDSecureRequired": "4000000000003063",
    "pm_card_threeDSecureRequiredChargeDeclined": "4000008400001629",
    "pm_card_threeDSecureRequiredProcessingError": "4000008400001280",
    "pm_card_threeDSecureOptional": "4000000000003055",
    "pm_card_threeDSecureOptionalProcessingError": "4000000000003097",
    "pm_card_bypassPending": "4000000000000077",
    "pm_card_bypassPendingInternational": "4000003720000278",
    "pm_card_cvcCheckFail": "4000000000000101",
    "pm_card_riskLevelElevated": "4000000000009235",
    "pm_card_createIssuerFraudRecord": "4000000000005423",
    "pm_card_us": "4242424242424242",
    "pm_card_br": "4000000760000002",
    "pm_card_ca": "4000001240000000",
    "pm_card_mx": "4000004840008001",
    "pm_card_gb": "4000008260000000",
    "pm_card_de": "4000002760000016",
    "pm_card_fr": "4000002500000003",
    "pm_card_au": "4000000360000006",
    "pm_card_in": "4000003560000008",
    "pm_card_jp": "4000003920000003",
    "pm_card_sg": "4000007020000003",
    "pm_card_th": "4000007640000003",
}

ROUTING_NUMBER = "110000000"

# https://docs.stripe.com/payments/ach-direct-debit/accept-a-payment#test-account-numbers
BANK_ACCOUNTS = {
    "000123456789": PAYS,
    "000111111113": "account_closed",
    "000111111116": "no_account",
    "000222222227": "debit_insufficient_funds",
    "000333333335": "debit_not_authorized",
    "000000000009": STAYS_PROCESSING,
}
ANSWERED_BY_HAND = "000000000009"

# `pm_usBankAccount_…`: the same for bank accounts.
NAMED_BANK_ACCOUNTS = {
    "pm_usBankAccount_success": "000123456789",
    "pm_usBankAccount_accountClosed": "000111111113",
    "pm_usBankAccount_noAccount": "000111111116",
    "pm_usBankAccount_insufficientFunds": "000222222227",
    "pm_usBankAccount_debitNotAuthorized": "000333333335",
    "pm_usBankAccount_processing": "000000000009",
}

BRAND_PREFIXES = (
    ("visa", ("4",)),
    ("amex", ("34", "37")),
    ("mastercard", ("51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27")),
    ("discover", ("6011", "65", "644", "645", "646", "647", "648", "649")),
    ("diners", ("36", "38", "30")),
    ("jcb", ("35",)),
    ("unionpay", ("62",)),
)


def find_brand(number: str) -> str:
    """This will return the card's brand as Stripe names it, by its first digits."""
    return next((brand for brand, prefixes in BRAND_PREFIXES if number.startswith(prefixes)), "unknown")


def find_card(number: str) -> TestCard:
    """This will say what a well-formed number does; one that is no test card is refused when it pays."""
    return CARDS.get(number) or TestCard(find_brand(number), "test_mode_live_card")


def check_number(number: str) -> str:
    """This will return the digits of a card number as it was typed.

    :raises CardDeclined: in the words of Stripe's form, with `param` `number`.
    """
    digits = "".join(character for character in number if character not in " -")
    expected = {"amex": 15, "diners": 14}.get(find_brand(digits), 16)
    if not digits or len(digits) < expected:
        raise CardDeclined("Your card number is incomplete.", code="incomplete_number", param="number")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19 or not _passes_luhn(digits):
        raise CardDeclined("Your card number is invalid.", code="invalid_number", param="number")
    return digits


def check_expiry(exp_month: int, exp_year: int, *, now: datetime) -> None:
    """This will refuse a month that does not exist or has passed.

    :raises CardDeclined: with `param` `exp_month` or `exp_year`.
    """
    if not 1 <= exp_month <= 12:
        raise CardDeclined("Your card's expiration month is invalid.", code="invalid_expiry_month", param="exp_month")
    if exp_year < now.year:
        raise CardDeclined("Your card's expiration year is in the past.", code="invalid_expiry_year", param="exp_year")
    if exp_year > now.year + 50:
        raise CardDeclined("Your card's expiration year is invalid.", code="invalid_expiry_year", param="exp_year")
    if (exp_year, exp_month) < (now.year, now.month):
        raise CardDeclined(
            "Your card's expiration date is in the past.", code="invalid_expiry_month", param="exp_month"
        )


def check_cvc(cvc: str, *, brand: str) -> None:
    """This will refuse a security code of the wrong length.

    :raises CardDeclined: with `param` `cvc`.
    """
    expected = 4 if brand == "amex" else 3
    if len(cvc) < expected:
        raise CardDeclined("Your card's security code is incomplete.", code="incomplete_cvc", param="cvc")
    if not cvc.isascii() or not cvc.isdigit() or len(cvc) > max(expected, 4):
        raise CardDeclined("Your card's security code is invalid.", code="invalid_cvc", param="cvc")


def parse_expiry(expiry: str) -> tuple[int, int]:
    """This will read "12 / 34", "12/2034" or "1234" as month and full year.

    :raises CardDeclined: when it is none of them.
    """
    digits = "".join(character for character in expiry if character.isascii() and character.isdigit())
    if "/" in expiry:
        month, _, year = (part.strip() for part in expiry.partition("/"))
    else:
        month, year = digits[:2], digits[2:]
    if not month or len(year) not in (2, 4) or not (month + year).isdigit():
        raise CardDeclined("Your card's expiration date is incomplete.", code="incomplete_expiry", param="exp_month")
    return int(month), int(year) + (2000 if len(year) == 2 else 0)


def _passes_luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
