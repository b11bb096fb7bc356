"""The only module that knows where a field lives in a Stripe object of the pinned version (2026-08-26.dahlia).

Objects are the plain dictionaries that `gateway` returns, or that a webhook's body carries.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

StripeObject = dict[str, Any]

PURCHASE_ID = "purchase_id"
CHECKOUT_ID = "checkout_id"
USER_ID = "user_id"
# Of a customer whom we had Stripe forget. Its last event says so for 30 days; lists leave deleted customers out.
ERASED = "erased"
# Of a line of a customer's balance: the invoice for which it was given back.
GIVEN_BACK_FOR = "given_back_for"
# What a purchase gives, so that a row lost with a database can be made again from Stripe's session.
CREDITS = "credits"
BONUS_CREDITS = "bonus_credits"

# What a price is for. Written by `setup_stripe` on the price itself, so that it stays true of one that was replaced.
PRICE_PLAN = "smartspec_plan"
PRICE_INTERVAL = "smartspec_interval"

# Ended for good: Stripe never changes such a subscription again.
ENDED_STATUSES = frozenset({"canceled", "incomplete_expired"})
# The user has the plan; `past_due` while Stripe retries, without new allowance.
ENTITLED_STATUSES = frozenset({"trialing", "active", "past_due"})


def moment(timestamp: int | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


def required_moment(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def object_id(reference: str | StripeObject | None) -> str:
    """Return the id of what may be an id, an expanded object or nothing."""
    if reference is None:
        return ""
    return str(reference if isinstance(reference, str) else reference["id"])


def metadata(obj: StripeObject) -> dict[str, str]:
    return dict(obj.get("metadata") or {})


# --- Events -------------------------------------------------------------------------------------------------------


def event_object(event: StripeObject) -> StripeObject:
    return dict(event["data"]["object"])


def event_customer_id(event: StripeObject) -> str:
    """Return the customer that an event is about, or was until then: a card that is taken off names nobody."""
    obj = event_object(event)
    if obj.get("object") == "customer":
        return str(obj["id"])
    before = event["data"].get("previous_attributes") or {}
    return object_id(obj.get("customer")) or object_id(before.get("customer"))


# --- Checkout sessions --------------------------------------------------------------------------------------------


def session_is_paid(session: StripeObject) -> bool:
    """Paid, or nothing to pay. A session may be complete and yet unpaid: delayed payment methods."""
    return session["status"] == "complete" and session["payment_status"] in ("paid", "no_payment_required")


def session_payment_failed(session: StripeObject) -> bool:
    """Complete, unpaid, and the payment intent (expanded) no longer under way: a delayed payment that failed."""
    if session["status"] != "complete" or session["payment_status"] != "unpaid":
        return False
    intent = session.get("payment_intent")
    return isinstance(intent, dict) and intent["status"] in ("requires_payment_method", "canceled")


def session_payment_intent_id(session: StripeObject) -> str:
    return object_id(session.get("payment_intent"))


def session_subscription_id(session: StripeObject) -> str:
    return object_id(session.get("subscription"))


def session_invoice_id(session: StripeObject) -> str:
    return object_id(session.get("invoice"))


# --- Subscriptions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SubscriptionItem:
    """The one item of a subscription: what is paid, and for which period (which dahlia keeps on the item)."""

    id: str
    price_id: str
    price: StripeObject
    current_period_start: datetime
    current_period_end: datetime


def subscription_item(subscription: StripeObject) -> SubscriptionItem:
    items = subscription["items"]["data"]
    price = items[0]["price"]
    return SubscriptionItem(
        id=items[0]["id"],
        price_id=price["id"],
        price=price,
        current_period_start=required_moment(min(item["current_period_start"] for item in items)),
        current_period_end=required_moment(max(item["current_period_end"] for item in items)),
    )


def subscription_quantity(subscription: StripeObject) -> int:
    """Return how many times something is paid for: once, unless somebody set another quantity, or added an item."""
    return sum(item.get("quantity") or 1 for item in subscription["items"]["data"])


def subscription_pending_price_id(subscription: StripeObject) -> str:
    """Return the price of a change that Stripe keeps until it is paid for, empty without one."""
    pending = subscription.get("pending_update")
    return object_id(pending["subscription_items"][0]["price"]) if pending else ""


def subscription_is_ended(subscription: StripeObject) -> bool:
    return subscription["status"] in ENDED_STATUSES


def subscription_ended_at(subscription: StripeObject) -> datetime | None:
    """When it ended; `incomplete_expired` may lack `ended_at`, so the next best time of Stripe's stands in."""
    if not subscription_is_ended(subscription):
        return None
    ended = subscription.get("ended_at") or subscription.get("canceled_at") or subscription["created"]
    return required_moment(ended)


def subscription_anchor_at(subscription: StripeObject) -> datetime:
    """When the plan began to be paid: at the start, or after the trial."""
    return required_moment(subscription.get("trial_end") or subscription["start_date"])


def schedule_subscription_id(schedule: StripeObject) -> str:
    """Return the subscription that a schedule drives, or drove until it was released."""
    return object_id(schedule.get("subscription") or schedule.get("released_subscription"))


def schedule_next_phase(schedule: StripeObject) -> tuple[str, datetime] | None:
    """Return the price id and the start of the phase after the current one, if the schedule is still at work."""
    current = schedule.get("current_phase")
    if schedule["status"] not in ("active", "not_started") or not current:
        return None
    later = [phase for phase in schedule["phases"] if phase["start_date"] >= current["end_date"]]
    if not later:
        return None
    return object_id(later[0]["items"][0]["price"]), required_moment(later[0]["start_date"])


# --- Invoices -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InvoiceLine:
    amount_cents: int
    price_id: str
    is_proration: bool
    starts_at: datetime
    ends_at: datetime


# Invoices that Stripe makes by itself for a subscription.
AUTOMATIC_REASONS = frozenset(
    {"subscription", "subscription_create", "subscription_cycle", "subscription_update", "subscription_threshold"}
)


def invoice_is_paid(invoice: StripeObject) -> bool:
    return invoice["status"] == "paid"


def invoice_subscription_id(invoice: StripeObject) -> str:
    parent = invoice.get("parent") or {}
    if parent.get("type") != "subscription_details":
        return ""
    return object_id(parent["subscription_details"]["subscription"])


def invoice_paid_at(invoice: StripeObject) -> datetime:
    return required_moment(invoice["status_transitions"]["paid_at"] or invoice["created"])


def invoice_lines(invoice: StripeObject) -> list[InvoiceLine]:
    """Return the lines of a subscription's items: their periods and their prorations. What staff put on its invoice
    besides, from the catalogue or by amount, is not among them.
    """
    return [
        InvoiceLine(
            amount_cents=line["amount"],
            price_id=line_price_id(line),
            is_proration=line_is_proration(line),
            starts_at=required_moment(line["period"]["start"]),
            ends_at=required_moment(line["period"]["end"]),
        )
        for line in invoice["lines"]["data"]
        if line_price_id(line) and line_is_of_subscription(line)
    ]


def line_is_of_subscription(line: StripeObject) -> bool:
    """A period's line belongs to a subscription's item; a proration that waited for its invoice, to an invoice item."""
    return (line.get("parent") or {}).get("type") == "subscription_item_details" or line_is_proration(line)


def line_price_id(line: StripeObject) -> str:
    details = (line.get("pricing") or {}).get("price_details") or {}
    return object_id(details.get("price"))


def line_is_proration(line: StripeObject) -> bool:
    parent = line.get("parent") or {}
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    return bool(details.get("proration"))


def invoice_period_lines(invoice: StripeObject) -> list[InvoiceLine]:
    """Return the lines that pay for a period: those that are no proration, and the one of a period that is cut short.
    A trial's line costs nothing and pays for nothing; one that a coupon makes free still has its price as the line's
    amount."""
    whole = [line for line in invoice_lines(invoice) if not line.is_proration and line.amount_cents > 0]
    short = invoice_short_line(invoice)
    return [short] if short else whole


def invoice_short_line(invoice: StripeObject) -> InvoiceLine | None:
    """Return the line of a period that ends before its time, where the billing cycle was set to begin or the plan to
    end; Stripe takes it for a proration, as it does what waited for this invoice, whose time is over."""
    charged = [line for line in invoice_lines(invoice) if line.amount_cents or line.is_proration]
    if invoice["billing_reason"] not in ("subscription_create", "subscription_cycle") or len(charged) != 1:
        return None
    (line,) = charged
    is_ahead = line.ends_at > required_moment(invoice["created"])
    return line if line.is_proration and line.amount_cents > 0 and is_ahead else None


def invoice_paid_period(invoice: StripeObject) -> tuple[datetime, datetime] | None:
    """Return the period that the invoice pays for, None when it pays for none."""
    paid = invoice_period_lines(invoice)
    if not paid:
        return None
    return min(line.starts_at for line in paid), max(line.ends_at for line in paid)


def preview_prorated_at(preview: StripeObject) -> datetime | None:
    """Return the moment up to which a preview counts the old items, by the customer's own time; None without change."""
    details = (preview.get("parent") or {}).get("subscription_details") or {}
    return moment(details.get("subscription_proration_date"))


def invoice_payment_intent_ids(invoice: StripeObject) -> list[str]:
    """Return the payment intents that paid the invoice; `payments` must be expanded."""
    payments: Iterable[StripeObject] = (invoice.get("payments") or {}).get("data") or []
    return [
        object_id(payment["payment"]["payment_intent"])
        for payment in payments
        if payment["status"] == "paid" and payment["payment"]["type"] == "payment_intent"
    ]


def invoice_balance_used_cents(invoice: StripeObject) -> int:
    """Return how much of a finalised invoice the customer's credit balance paid (which at Stripe is below zero)."""
    return max(0, (invoice["ending_balance"] or 0) - invoice["starting_balance"])


def invoice_tried_payment_intent_ids(invoice: StripeObject) -> list[str]:
    """Return the payment intents that the invoice was ever to be paid by; `payments` must be expanded."""
    payments: Iterable[StripeObject] = (invoice.get("payments") or {}).get("data") or []
    return [
        object_id(payment["payment"]["payment_intent"])
        for payment in payments
        if payment["payment"]["type"] == "payment_intent"
    ]


def invoice_open_payment_intent_id(invoice: StripeObject) -> str:
    """Return the payment intent that is still to be paid, if any; `payments` must be expanded."""
    payments: Iterable[StripeObject] = (invoice.get("payments") or {}).get("data") or []
    for payment in payments:
        if payment["status"] == "open" and payment["payment"]["type"] == "payment_intent":
            return object_id(payment["payment"]["payment_intent"])
    return ""


def invoice_description(invoice: StripeObject) -> str:
    """Return the invoice's own description, or what its dearest line says: others may be of time given back."""
    dearest: StripeObject = max(invoice["lines"]["data"], key=lambda line: line["amount"], default={})
    return invoice.get("description") or dearest.get("description") or ""


# --- Refunds and disputes -----------------------------------------------------------------------------------------

REFUND_REQUEST_ID = "refund_request_id"
# The money stays: whatever was taken for such a refund is given back. Final.
VOID_REFUND_STATUSES = frozenset({"failed", "canceled"})
# A bank that only asks: no money has moved.
INQUIRY_STATUSES = frozenset({"warning_needs_response", "warning_under_review", "warning_closed"})
LOST_DISPUTE_STATUS = "lost"
FINAL_DISPUTE_STATUSES = frozenset({"won", "lost", "warning_closed", "prevented"})


def payment_intent_id(obj: StripeObject) -> str:
    """Return the payment intent of a charge, refund or dispute."""
    return object_id(obj.get("payment_intent"))


def charge_id(obj: StripeObject) -> str:
    """Return the charge of a refund or dispute."""
    return object_id(obj.get("charge"))


def dispute_is_reinstated(dispute: StripeObject) -> bool:
    """Tell whether the money that the bank withdrew has been put back: the lines on our balance add up to nothing."""
    lines = dispute.get("balance_transactions") or []
    return len(lines) > 1 and sum(line["amount"] for line in lines) >= 0


def dispute_evidence_due_at(dispute: StripeObject) -> datetime | None:
    return moment((dispute.get("evidence_details") or {}).get("due_by"))


def payment_invoice_id(invoice_payment: StripeObject) -> str:
    return object_id(invoice_payment["invoice"])


# --- Customers and cards ------------------------------------------------------------------------------------------


def customer_default_payment_method_id(customer: StripeObject) -> str:
    return object_id((customer.get("invoice_settings") or {}).get("default_payment_method"))


def subscription_default_payment_method_id(subscription: StripeObject) -> str:
    return object_id(subscription.get("default_payment_method"))


# --- What not everybody may read ------------------------------------------------------------------------------------

MASK = "********"
# What opens something by itself: secrets, and addresses that need no log-in.
SECRET_NAMES = frozenset({"client_secret", "secret", "url", "hosted_invoice_url", "invoice_pdf", "receipt_url"})
# What tells who somebody is, wherever it stands in an object.
PERSONAL_NAMES = frozenset(
    {
        *("address", "billing_details", "business_name", "collected_information", "custom_fields", "description"),
        *("customer_address", "customer_details", "customer_email", "customer_name", "customer_phone"),
        *("customer_shipping", "customer_tax_ids", "email", "evidence", "fingerprint", "individual_name", "last4"),
        *("name", "owner", "payment_method_details", "phone", "receipt_email", "shipping", "shipping_details"),
    }
)


def without_secrets(value: Any) -> Any:
    """Return an object whose secrets are masked."""
    return masked(value, SECRET_NAMES)


def without_person(value: Any) -> Any:
    """Return an object that no longer tells whose it is; ids, amounts and states stay."""
    return masked(value, SECRET_NAMES | PERSONAL_NAMES)


def masked(value: Any, names: frozenset[str]) -> Any:
    """Return an object in which whatever goes by one of these names, and is not empty, is masked."""
    if isinstance(value, dict):
        return {
            name: MASK if name in names and is_told(inner) else masked(inner, names) for name, inner in value.items()
        }
    return [masked(inner, names) for inner in value] if isinstance(value, list) else value


def is_told(value: Any) -> bool:
    """Tell whether there is anything to mask: some names stand for a number or a yes elsewhere."""
    return bool(value) and not isinstance(value, bool | int)
