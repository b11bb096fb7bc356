"""What a Checkout session sells, as its page shows it."""

from dataclasses import dataclass, field
from typing import Any

from billing.sandbox import presentation, store
from billing.sandbox.services import checkout

Data = dict[str, Any]
SUBMIT_WORDS = {"book": "Book", "donate": "Donate", "pay": "Pay", "subscribe": "Subscribe"}


@dataclass(frozen=True)
class Line:
    """One thing that is sold; `amount` before discounts."""

    name: str
    detail: str
    amount: int


@dataclass(frozen=True)
class Order:
    """Amounts in the currency's smallest unit."""

    heading: str
    button: str
    currency: str
    total: int
    due: int
    subtotal: int
    discount: int
    needs_card: bool
    interval: str = ""
    trial: str = ""
    terms: str = ""
    lines: list[Line] = field(default_factory=list)


def build_order(session: Data, *, merchant: str) -> Order:
    """This will build what the page of a session shows."""
    items = checkout.list_line_items(session["id"])
    due = checkout.amount_due_now(session)
    recurring = next((item["price"]["recurring"] for item in items if item["price"]["recurring"]), None)
    interval = presentation.describe_interval(recurring) if recurring else ""
    total = session["amount_total"] or 0
    money = presentation.format_money(total, session["currency"])
    return Order(
        heading=_heading(session, merchant),
        button=_button(session, due=due),
        currency=session["currency"],
        total=total,
        due=due,
        subtotal=session["amount_subtotal"] or 0,
        discount=session["total_details"]["amount_discount"],
        needs_card=bool(due) or session["payment_method_collection"] == "always" or session["mode"] == "setup",
        interval=interval,
        trial=_trial(session, money=money, interval=interval),
        terms=_terms(session, merchant=merchant),
        lines=[_line(item) for item in items],
    )


def _heading(session: Data, merchant: str) -> str:
    if session["mode"] == "subscription":
        return f"Subscribe to {merchant}"
    return f"Save a payment method with {merchant}" if session["mode"] == "setup" else f"Pay {merchant}"


def _button(session: Data, *, due: int) -> str:
    if session["mode"] == "subscription":
        return "Subscribe" if due else "Start trial"
    if session["mode"] == "setup":
        return "Save card"
    if not due:
        return "Place order"
    return f"{SUBMIT_WORDS.get(session['submit_type'], 'Pay')} {presentation.format_money(due, session['currency'])}"


def _line(item: Data) -> Line:
    price = item["price"]
    details = []
    if item["quantity"] != 1:
        unit = presentation.format_money(price["unit_amount"] or 0, item["currency"])
        details.append(f"Qty {item['quantity']} × {unit}")
    product = store.find_any(price["product"])
    if product and product["description"]:
        details.append(product["description"])
    if price["recurring"]:
        details.append(
            f"Billed every {presentation.describe_interval(price['recurring'])}".replace(
                "every month", "monthly"
            ).replace("every year", "yearly")
        )
    return Line(name=item["description"], detail=". ".join(details), amount=item["amount_subtotal"])


def _trial(session: Data, *, money: str, interval: str) -> str:
    data = store.get_private(session["id"])["params"].get("subscription_data") or {}
    if days := data.get("trial_period_days"):
        return f"{days} days free, then {money} per {interval}"
    if end := data.get("trial_end"):
        return f"Free until {presentation.format_day(int(end))}, then {money} per {interval}"
    return ""


def _terms(session: Data, *, merchant: str) -> str:
    if session["mode"] == "payment":
        return ""
    return f"You allow {merchant} to charge your card for future payments until you cancel."
