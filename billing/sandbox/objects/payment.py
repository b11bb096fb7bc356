"""Payment intents, charges, their lines on the balance, refunds, and setup intents."""

from datetime import UTC, datetime, timedelta
from typing import Any

from billing.sandbox import ids

DAY = 24 * 3600


def new_payment_intent(
    *,
    amount: int,
    currency: str,
    customer: str | None,
    payment_method_types: list[str],
    now: int,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
    receipt_email: str | None = None,
    setup_future_usage: str | None = None,
) -> dict[str, Any]:
    """`amount` in cents."""
    intent_id = ids.new_id("payment_intent")
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": ids.new_client_secret(intent_id),
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": description,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            kind: {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
            if kind == "card"
            else {"verification_method": "automatic"}
            for kind in payment_method_types
        },
        "payment_method_types": payment_method_types,
        "processing": None,
        "receipt_email": receipt_email,
        "review": None,
        "setup_future_usage": setup_future_usage,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def new_charge(*, intent: dict[str, Any], payment_method: dict[str, Any], status: str, now: int) -> dict[str, Any]:
    """One attempt to pay an intent; `status` is succeeded, pending or failed."""
    succeeded = status == "succeeded"
    return {
        "id": ids.new_id("charge"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if status != "failed" else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": payment_method["billing_details"],
        "calculated_statement_descriptor": "SMARTSPEC PRO",
        "captured": status != "failed",
        "created": now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        "paid": succeeded,
        "payment_intent": intent["id"],
        "payment_method": payment_method["id"],
        "payment_method_details": _payment_method_details(payment_method, amount=intent["amount"], now=now),
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }


def _payment_method_details(payment_method: dict[str, Any], *, amount: int, now: int) -> dict[str, Any]:
    if payment_method["type"] == "us_bank_account":
        account = payment_method["us_bank_account"]
        expected = datetime.fromtimestamp(now, tz=UTC) + timedelta(days=4)
        return {
            "type": "us_bank_account",
            "us_bank_account": {
                "account_holder_type": account["account_holder_type"],
                "account_type": account["account_type"],
                "bank_name": account["bank_name"],
                "expected_debit_date": expected.date().isoformat(),
                "fingerprint": account["fingerprint"],
                "last4": account["last4"],
                "mandate": None,
                "payment_reference": None,
                "routing_number": account["routing_number"],
            },
        }
    card = payment_method["card"]
    return {
        "type": "card",
        "card": {
            "amount_authorized": amount,
            "authorization_code": ids.new_token(6).upper(),
            "brand": card["brand"],
            "checks": card["checks"],
            "country": card["country"],
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "extended_authorization": {"status": "disabled"},
            "fingerprint": card["fingerprint"],
            "funding": card["funding"],
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "last4": card["last4"],
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": card["brand"],
            "network_token": {"used": False},
            "network_transaction_id": None,
            "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
            "regulated_status": "unregulated",
            "three_d_secure": None,
            "transaction_link_id": None,
            "wallet": None,
        },
    }


def three_d_secure(*, result: str) -> dict[str, Any]:
    """What a charge says of its authentication; `result` is authenticated or failed."""
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05" if result == "authenticated" else None,
        "exemption_indicator": None,
        "result": result,
        "result_reason": None if result == "authenticated" else "rejected",
        "transaction_id": ids.new_token(36).lower(),
        "version": "2.2.0",
    }


def next_action_to_authenticate(*, url: str, return_url: str | None) -> dict[str, Any]:
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}


def payment_error(
    *, code: str, message: str, payment_method: dict[str, Any], decline_code: str | None, charge: str | None
) -> dict[str, Any]:
    """`last_payment_error` of an intent."""
    error: dict[str, Any] = {
        "code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": message,
        "payment_method": payment_method,
        "type": "card_error" if payment_method["type"] == "card" else "invalid_request_error",
    }
    if charge:
        error["charge"] = charge
    if decline_code:
        error["decline_code"] = decline_code
        error["network_decline_code"] = None
    return error


def new_balance_transaction(
    *, amount: int, currency: str, kind: str, source: str, description: str | None, fee: int, now: int
) -> dict[str, Any]:
    """A line on the account's balance, in cents; `fee` is what Stripe keeps of it."""
    fees = [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
    return {
        "id": ids.new_id("balance_transaction"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now + 2 * DAY,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": fees if fee else [],
        "net": amount - fee,
        "reporting_category": {"payment": "charge", "payment_refund": "refund"}.get(kind, kind),
        "source": source,
        "status": "pending",
        "type": kind,
    }


def stripe_fee(amount: int) -> int:
    """2.9 % and 30 cents, the published price of a card payment in the United States, in cents."""
    return (amount * 29 + 500) // 1000 + 30


def new_refund(
    *, charge: dict[str, Any], amount: int, reason: str | None, metadata: dict[str, str], now: int
) -> dict[str, Any]:
    return {
        "id": ids.new_id("refund"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        }
        if charge["payment_method_details"]["type"] == "card"
        else {"type": "us_bank_transfer", "us_bank_transfer": {"reference": None, "reference_status": "pending"}},
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def new_setup_intent(
    *, customer: str | None, usage: str, payment_method_types: list[str], metadata: dict[str, str], now: int
) -> dict[str, Any]:
    intent_id = ids.new_id("setup_intent")
    return {
        "id": intent_id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": ids.new_client_secret(intent_id),
        "created": now,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": metadata,
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": payment_method_types,
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": usage,
    }
