"""What somebody bought: their plan and its state, purchases and invoices."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from billing import selectors
from billing.backoffice.finding import dashboard_url
from billing.backoffice.home import money
from billing.models import CheckoutState, PaidInvoice, Purchase, Subscription
from smartspec import backoffice
from smartspec.admin import badge, plain_credits
from smartspec.backoffice import ActionLink, Fact, Panel
from smartspec.users.models import User

ROWS_SHOWN = 20
STATE_TONES = {
    "fulfilled": "success",
    "open": "info",
    "processing": "primary",
    "needs_review": "danger",
    "failed": "warning",
}
STATUS_TONES = {"active": "success", "trialing": "info", "past_due": "warning", "unpaid": "danger", "paused": "warning"}


@backoffice.facts(right="billing.view_subscription", order=20)
def plan(user: User, now: datetime) -> list[Fact]:
    """The plan, where it stands, and when credits come next."""
    view = selectors.get_subscription_view(user_id=user.pk, now=now)
    state = view.status if view.interval is None else f"{view.interval}, {view.status.replace('_', ' ')}"
    if view.access_ends_at:
        state += f", ends {view.access_ends_at:%Y-%m-%d}"
    elif view.pending_change:
        state += f", {view.pending_change['plan']} from {view.pending_change['effective_at']:%Y-%m-%d}"
    tone = "" if view.status == "active" else STATUS_TONES.get(view.status, "danger")
    return [Fact("Plan", view.display_name, state, tone), next_allowance(view)]


def next_allowance(view: selectors.SubscriptionView) -> Fact:
    """When credits come next. A plan whose renewal failed gives none, and one that ends gives none after its end."""
    if view.status == "past_due":
        return Fact("Next allowance", "none", "until the renewal is paid", "warning")
    if view.next_allowance_at is None:
        return Fact("Next allowance", "none", "nothing is paid for")
    day = f"{view.next_allowance_at:%Y-%m-%d}"
    if view.access_ends_at and view.next_allowance_at >= view.access_ends_at:
        return Fact("Next allowance", day, "Free's: the plan ends before")
    return Fact("Next allowance", day, f"{plain_credits(Decimal(view.monthly_credits))} credits a month")


@backoffice.panels(right="billing.view_purchase", order=10)
def purchases(user: User, now: datetime) -> list[Panel]:
    """What they bought."""
    rows = [purchase_row(row) for row in selectors.list_purchases(user_id=user.pk, limit=ROWS_SHOWN)]
    columns = ("Bought", "On", "Price", "Paid", "Sent back", "State", "", "")
    return [Panel("Purchases", columns, rows, empty="They have bought nothing.")]


def purchase_row(purchase: Purchase) -> tuple[Any, ...]:
    returned = selectors.sent_back_cents(purchase)
    is_paid = purchase.state in (CheckoutState.FULFILLED, CheckoutState.NEEDS_REVIEW)
    return (
        format_html(
            '<a class="bo-link" href="{}">{}</a>',
            reverse("admin:billing_purchase_change", args=[purchase.pk]),
            bought_text(purchase),
        ),
        f"{purchase.created_at:%Y-%m-%d %H:%M}",
        money(purchase.price_cents, purchase.currency),
        "–" if purchase.paid_cents is None else money(purchase.paid_cents, purchase.currency),
        money(returned, purchase.currency) if returned else "–",
        badge(purchase.get_state_display(), STATE_TONES.get(purchase.state, "")),
        ActionLink("refund-purchase", str(purchase.pk), "Refund …")
        if is_paid and returned < (purchase.paid_cents or 0)
        else "",
        fulfilment_link(purchase),
    )


def fulfilment_link(purchase: Purchase) -> ActionLink | str:
    """What gives the credits: nothing but a decision, once it was paid otherwise than quoted."""
    if selectors.needs_review(purchase):
        return ActionLink("accept-purchase", str(purchase.pk), "Give the credits …")
    if purchase.session_id and purchase.state != CheckoutState.NEEDS_REVIEW:
        return ActionLink("resend-fulfilment", str(purchase.pk), "Fulfil again …")
    return ""


def bought_text(purchase: Purchase) -> str:
    """Write what was bought: "Basic: 100 + 5 credits"."""
    name = purchase.package.name if purchase.package else "Custom amount"
    bonus = f" + {purchase.bonus_credits:,}" if purchase.bonus_credits else ""
    return f"{name}: {purchase.credits:,}{bonus} credits"


@backoffice.panels(right="billing.view_subscription", order=15)
def subscriptions(user: User, now: datetime) -> list[Panel]:
    """Their subscriptions, ended ones too."""
    rows = [subscription_row(row) for row in selectors.list_subscriptions(user_id=user.pk, limit=ROWS_SHOWN)]
    columns = ("Plan", "State", "Since", "Paid until", "What comes", "At Stripe")
    return [Panel("Subscriptions", columns, rows)] if rows else []


def subscription_row(subscription: Subscription) -> tuple[Any, ...]:
    status = "second, refunded" if subscription.is_surplus else subscription.status.replace("_", " ")
    coming = "goes on"
    retries_end_at = selectors.access_ends_at(subscription) if subscription.status == "past_due" else None
    if subscription.ended_at:
        coming = f"ended {subscription.ended_at:%Y-%m-%d}"
    elif ends_at := selectors.planned_end(subscription):
        coming = f"ends {ends_at:%Y-%m-%d}"
    elif retries_end_at:
        coming = f"not paid: ends {retries_end_at:%Y-%m-%d}"
    elif subscription.pending_plan:
        coming = f"{subscription.pending_plan}, {subscription.pending_interval}, on {subscription.pending_at:%Y-%m-%d}"
    return (
        format_html(
            '<a class="bo-link" href="{}">{}, {}</a>',
            reverse("admin:billing_subscription_change", args=[subscription.pk]),
            subscription.plan.capitalize(),
            subscription.interval,
        ),
        badge(status, STATUS_TONES.get(subscription.status, "")),
        f"{subscription.created_at:%Y-%m-%d}",
        f"{subscription.paid_until:%Y-%m-%d}" if subscription.paid_until else "–",
        coming,
        format_html(
            '<a class="bo-link" href="{}" target="_blank" rel="noopener noreferrer">{}</a>',
            dashboard_url("subscriptions", subscription.pk),
            subscription.pk,
        ),
    )


@backoffice.panels(right="billing.view_paidinvoice", order=17)
def invoices(user: User, now: datetime) -> list[Panel]:
    """What they paid for plans."""
    rows = [invoice_row(row) for row in selectors.list_paid_invoices(user_id=user.pk, until=now, limit=ROWS_SHOWN)]
    columns = ("For", "Paid on", "Paid", "Sent back", "")
    return [Panel("Invoices of plans", columns, rows)] if rows else []


def invoice_row(invoice: PaidInvoice) -> tuple[Any, ...]:
    returned = selectors.sent_back_cents(invoice)
    return (
        format_html(
            '<a class="bo-link" href="{}">{}</a>',
            reverse("admin:billing_paidinvoice_change", args=[invoice.pk]),
            invoice_text(invoice),
        ),
        f"{invoice.paid_at:%Y-%m-%d %H:%M}",
        money(invoice.paid_cents, invoice.currency),
        money(returned, invoice.currency) if returned else "–",
        ActionLink("refund-invoice", invoice.pk, "Refund …") if returned < invoice.paid_cents else "",
    )


def invoice_text(invoice: PaidInvoice) -> str:
    """Write what an invoice paid for: "Plan, 2026-03-10 to 2026-04-10", "Upgrade to Enterprise"."""
    if invoice.upgraded_to:
        return f"Upgrade to {invoice.upgraded_to.capitalize()}"
    if invoice.period_start is None or invoice.period_end is None:
        return "Change of the plan"
    return f"Plan, {invoice.period_start:%Y-%m-%d} to {invoice.period_end:%Y-%m-%d}"
