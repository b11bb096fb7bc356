from typing import Any

from billing.sandbox import ids

EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def new_dispute(
    *, charge: dict[str, Any], amount: int, reason: str, is_inquiry: bool, due_by: int, now: int
) -> dict[str, Any]:
    """`amount` in cents; `due_by` is when evidence must have come, in seconds since 1970."""
    details = charge["payment_method_details"]
    return {
        "id": ids.new_id("dispute"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(EVIDENCE)
        | {
            "customer_email_address": charge["billing_details"]["email"],
            "customer_name": charge["billing_details"]["name"],
            "enhanced_evidence": {},
        },
        "evidence_details": {
            "due_by": due_by,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": is_inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": details["card"]["brand"],
                "case_type": "inquiry" if is_inquiry else "chargeback",
                "network": details["card"]["network"],
                "network_reason_code": {"fraudulent": "10.4", "product_not_received": "13.1"}.get(reason, "10.4"),
            },
            "type": "card",
        }
        if details["type"] == "card"
        else None,
        "reason": reason,
        "status": "warning_needs_response" if is_inquiry else "needs_response",
    }
