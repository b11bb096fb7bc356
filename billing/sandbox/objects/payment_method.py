import hashlib
from typing import Any

from billing.sandbox import ids
from billing.sandbox.objects.account import ADDRESS


def new_billing_details(
    *, name: str | None = None, email: str | None = None, address: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "address": ADDRESS | (address or {}),
        "email": email,
        "name": name,
        "phone": None,
        "tax_id": None,
    }


def new_card(
    *,
    number: str,
    brand: str,
    exp_month: int,
    exp_year: int,
    billing_details: dict[str, Any],
    now: int,
    funding: str = "credit",
    country: str = "US",
) -> dict[str, Any]:
    """A payment method of type card. The number itself is never kept, only its last four digits and a fingerprint."""
    has_postal_code = bool(billing_details["address"].get("postal_code"))
    return _new_payment_method("card", billing_details=billing_details, now=now) | {
        "card": {
            "brand": brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": "pass" if has_postal_code else None,
                "cvc_check": "pass",
            },
            "country": country,
            "display_brand": {"amex": "american_express", "diners": "diners_club"}.get(brand, brand),
            "exp_month": exp_month,
            "exp_year": exp_year,
            "fingerprint": fingerprint(number),
            "funding": funding,
            "generated_from": None,
            "last4": number[-4:],
            "networks": {"available": [brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        }
    }


def new_bank_account(
    *, account_number: str, routing_number: str, billing_details: dict[str, Any], now: int
) -> dict[str, Any]:
    """A payment method of type us_bank_account, paid by ACH direct debit."""
    return _new_payment_method("us_bank_account", billing_details=billing_details, now=now) | {
        "us_bank_account": {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "financial_connections_account": None,
            "fingerprint": fingerprint(routing_number + account_number),
            "last4": account_number[-4:],
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": routing_number,
            "status_details": {},
        }
    }


def fingerprint(number: str) -> str:
    """The same for the same card, as Stripe's is, and no way back to the number."""
    digest = hashlib.blake2b(number.encode(), key=b"smartspec stripe sandbox", digest_size=24).hexdigest()
    return "".join(ids.ALPHABET[int(digest[index : index + 3], 16) % len(ids.ALPHABET)] for index in range(0, 48, 3))


def _new_payment_method(kind: str, *, billing_details: dict[str, Any], now: int) -> dict[str, Any]:
    return {
        "id": ids.new_id("payment_method"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details,
        "created": now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }
