"""Money on the home page, and what of it needs a person."""

from datetime import UTC, datetime, time, timedelta

from django.conf import settings
from django.urls import reverse

from billing import selectors
from billing.models import Dispute
from smartspec import backoffice
from smartspec.backoffice import Figure, Task
from smartspec.templatetags.amounts import in_whole_units

MONTH = timedelta(days=30)
DUE_SOON = timedelta(days=3)
DISPUTES_TOLD = 3


def money(cents: int, currency: str = settings.STRIPE_CURRENCY) -> str:
    """Write money as people do: $1,234.50."""
    sign = "-" if cents < 0 else ""
    amount = f"{in_whole_units(abs(cents), currency):,}"
    return f"{sign}${amount}" if currency == "usd" else f"{sign}{amount} {currency.upper()}"


@backoffice.figures(right="billing.view_purchase", order=10)
def revenue(now: datetime) -> list[Figure]:
    """What came in, less what went back."""
    today = selectors.revenue_since(since=datetime.combine(now.astimezone(UTC).date(), time(), tzinfo=UTC))
    month = selectors.revenue_since(since=now - MONTH)
    purchases = reverse("admin:billing_purchase_changelist")

    def figure(label: str, found: selectors.Revenue) -> Figure:
        hint = f"{money(found.paid_cents)} paid, {money(found.returned_cents)} sent back"
        return Figure(label, money(found.net_cents), hint, purchases)

    return [figure("Revenue today", today), figure("Revenue, 30 days", month)]


@backoffice.figures(right="billing.view_subscription", order=20)
def subscriptions(now: datetime) -> list[Figure]:
    """Who pays every month, and how much."""
    counts = selectors.count_subscriptions()
    total = sum(count.subscriptions for count in counts)
    url = reverse("admin:billing_subscription_changelist")
    plans = ", ".join(f"{count.subscriptions:,} {count.plan.capitalize()}" for count in counts)
    recurring = sum(count.monthly_cents for count in counts)
    return [
        Figure("Active subscriptions", f"{total:,}", plans or "none yet", url),
        Figure("Recurring a month", money(recurring), "a year's price counts a twelfth", url),
    ]


@backoffice.tasks(right="billing.view_dispute", order=10)
def disputes(now: datetime) -> list[Task]:
    """Disputes and inquiries that Stripe waits for an answer to."""
    soonest = selectors.list_open_disputes(limit=DISPUTES_TOLD)
    is_soon = any(dispute.evidence_due_at and dispute.evidence_due_at <= now + DUE_SOON for dispute in soonest)
    return [
        Task(
            "Open disputes and inquiries",
            selectors.count_open_disputes(),
            reverse("admin:billing_dispute_changelist"),
            "; ".join(due_text(dispute) for dispute in soonest),
            "danger" if is_soon else "warning",
        )
    ]


def due_text(dispute: Dispute) -> str:
    due = f"answer due {dispute.evidence_due_at:%Y-%m-%d}" if dispute.evidence_due_at else "no answer due"
    return f"{money(dispute.amount_cents, dispute.currency)}, {due}"


@backoffice.tasks(right="billing.view_purchase", order=20)
def purchases_in_review(now: datetime) -> list[Task]:
    """Paid, but not as quoted: never fulfilled by itself."""
    url = reverse("admin:billing_purchase_changelist") + "?state__exact=needs_review"
    hint = "Paid otherwise than quoted: look, then refund, or give the credits."
    return [Task("Purchases need review", selectors.count_needing_review(), url, hint, "danger")]


@backoffice.tasks(right="billing.view_reconcilerun", order=30)
def differences(now: datetime) -> list[Task]:
    """What the last comparison with Stripe left open."""
    run = selectors.last_reconcile_run()
    if run is None or not run.remaining:
        return []
    url = reverse("admin:billing_reconcilerun_change", args=[run.pk])
    hint = f"Compared {run.started_at:%Y-%m-%d %H:%M} UTC."
    return [Task("Differences between our books and Stripe's", run.remaining, url, hint, "danger")]


@backoffice.tasks(right="billing.view_webhook", order=15)
def webhooks(now: datetime) -> list[Task]:
    """What Stripe told us, and nothing came of."""
    troubled = selectors.count_webhooks_in_trouble()
    url = reverse("admin:billing_webhook_changelist")
    return [
        Task(
            "Webhooks are dead",
            troubled[selectors.WebhookState.DEAD],
            f"{url}?state=dead",
            "Nobody tries them again by itself: read the error, then replay or ignore.",
            "danger",
        ),
        Task(
            "Webhooks failed",
            troubled[selectors.WebhookState.FAILED],
            f"{url}?state=failed",
            "They are tried again by themselves.",
            "warning",
        ),
    ]
