"""What the back-office reads of billing: figures, what needs a person, whom a Stripe id means, a person's history.

Nothing here calls Stripe but `find_user_of_stripe_id`, for ids that we do not keep ourselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from djstripe import models as djstripe_models

from billing import gateway, stripe_data
from billing.models import (
    CheckoutState,
    Dispute,
    PaidInvoice,
    PlanChange,
    Purchase,
    ReconcileRun,
    Refund,
    Subscription,
    SubscriptionCheckout,
    Webhook,
)
from billing.selectors.checkouts import find_checkout
from billing.selectors.customers import owner_of_customer
from billing.selectors.webhooks import NOT_DONE, WebhookState, with_state
from credits import selectors as credits_selectors
from smartspec.models import JobFailure

# --- Figures ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Revenue:
    """Money of a span of time, in cents: what came in, and what went back by refunds and lost disputes."""

    paid_cents: int
    returned_cents: int

    @property
    def net_cents(self) -> int:
        return self.paid_cents - self.returned_cents


@dataclass(frozen=True)
class PlanCount:
    """How many subscriptions a plan has, and what they bring in a month."""

    plan: str
    subscriptions: int
    monthly_cents: int


def revenue_since(*, since: datetime) -> Revenue:
    """Return what was paid and sent back since a moment."""
    paid = total(Purchase.objects.filter(fulfilled_at__gte=since), "paid_cents")
    paid += total(PaidInvoice.objects.filter(paid_at__gte=since), "paid_cents")
    gone = Refund.objects.filter(created_at__gte=since, status__in=Refund.RETURNING)
    returned = total(gone, "amount_cents")
    returned += total(
        Dispute.objects.filter(created_at__gte=since, status=stripe_data.LOST_DISPUTE_STATUS), "amount_cents"
    )
    return Revenue(paid, returned)


def total(rows: QuerySet[Purchase] | QuerySet[PaidInvoice] | QuerySet[Refund] | QuerySet[Dispute], field: str) -> int:
    return rows.aggregate(total=Sum(field))["total"] or 0


def count_subscriptions() -> list[PlanCount]:
    """Return how many subscriptions pay for each plan, most first; a trial pays nothing yet and does not count."""
    running = Subscription.objects.filter(
        ended_at__isnull=True, is_surplus=False, status__in=sorted(stripe_data.ENTITLED_STATUSES - {"trialing"})
    )
    plans = {plan.slug: plan for plan in credits_selectors.list_plans()}
    counts: dict[str, PlanCount] = {}
    for row in running.order_by().values("plan", "interval").annotate(count=Count("*")):
        plan = plans.get(row["plan"])
        yearly = row["interval"] == "yearly"
        each = 0 if plan is None else plan.price_yearly_cents / 12 if yearly else plan.price_monthly_cents
        known = counts.get(row["plan"], PlanCount(row["plan"], 0, 0))
        counts[row["plan"]] = PlanCount(
            row["plan"], known.subscriptions + row["count"], known.monthly_cents + round(each * row["count"])
        )
    return sorted(counts.values(), key=lambda count: -count.subscriptions)


# --- What needs a person ------------------------------------------------------------------------------------------


def count_needing_review() -> int:
    """Return how many paid purchases were not fulfilled because something differs, and did not go back in full."""
    waiting = Purchase.objects.filter(state=CheckoutState.NEEDS_REVIEW).prefetch_related("refunds", "disputes")
    return sum(needs_review(purchase) for purchase in waiting)


def needs_review(purchase: Purchase) -> bool:
    """Tell whether a purchase is one of those; its refunds and disputes are at hand."""
    back_cents = sent_back_cents(purchase)
    is_back = back_cents > 0 and back_cents >= (purchase.paid_cents or 0)
    return purchase.state == CheckoutState.NEEDS_REVIEW and not is_back


def sent_back_cents(payment: Purchase | PaidInvoice) -> int:
    """Return what went back of a payment, is on its way, or was lost to its bank. Refunds and disputes are at hand."""
    refunded = sum(refund.amount_cents for refund in payment.refunds.all() if refund.status not in Refund.VOID)
    lost = [dispute for dispute in payment.disputes.all() if dispute.status == stripe_data.LOST_DISPUTE_STATUS]
    return refunded + sum(dispute.amount_cents for dispute in lost)


def list_open_disputes(*, limit: int) -> list[Dispute]:
    """Return disputes and inquiries that are not over, the soonest due first."""
    return list(open_disputes().order_by("evidence_due_at")[:limit])


def count_open_disputes() -> int:
    """Return how many disputes and inquiries are not over."""
    return open_disputes().count()


def is_final(dispute: Dispute) -> bool:
    """Tell whether a dispute or inquiry is over."""
    return dispute.status in stripe_data.FINAL_DISPUTE_STATUSES


def open_disputes() -> QuerySet[Dispute]:
    return Dispute.objects.exclude(status__in=sorted(stripe_data.FINAL_DISPUTE_STATUSES))


def last_reconcile_run() -> ReconcileRun | None:
    """Return the newest finished comparison with Stripe."""
    return ReconcileRun.objects.filter(finished_at__isnull=False).order_by("-started_at").first()


# --- Whom an id means ---------------------------------------------------------------------------------------------


def find_user_of_stripe_id(*, stripe_id: str) -> UUID | None:
    """Return whom an id of Stripe's concerns: a customer, payment intent, charge, invoice, checkout session,
    subscription, refund or dispute. None for nobody of ours.

    Charges, and the invoices of packages, are looked up in the mirror, and asked of Stripe when they are not there.
    """
    prefix = stripe_id.split("_")[0]
    find = FINDERS.get(prefix)
    return None if find is None else find(stripe_id)


def _of_customer(customer_id: str) -> UUID | None:
    return owner_of_customer(customer_id)


def _of_session(session_id: str) -> UUID | None:
    checkout = find_checkout(session_id=session_id)
    return checkout.user_id if checkout else None


def _of_intent(intent_id: str) -> UUID | None:
    for model in (Purchase, Refund, Dispute):
        found = model._default_manager.filter(payment_intent_id=intent_id).values_list("user_id", flat=True).first()
        if found:
            return UUID(str(found))
    return _of_mirrored(djstripe_models.PaymentIntent, intent_id, gateway.retrieve_payment_intent)


def _of_charge(charge_id: str) -> UUID | None:
    return _of_mirrored(djstripe_models.Charge, charge_id, gateway.retrieve_charge)


def _of_invoice(invoice_id: str) -> UUID | None:
    paid = PaidInvoice.objects.filter(pk=invoice_id).values_list("subscription__user_id", flat=True).first()
    return paid or _of_mirrored(djstripe_models.Invoice, invoice_id, gateway.retrieve_invoice)


def _of_mirrored(model: type, object_id: str, retrieve: Callable[[str], dict[str, object]]) -> UUID | None:
    customer_id = model.objects.filter(id=object_id).values_list("customer_id", flat=True).first()  # type: ignore[attr-defined]
    if not customer_id:
        try:
            customer_id = stripe_data.object_id(retrieve(object_id).get("customer"))  # type: ignore[arg-type]
        except (gateway.StripeRefused, gateway.StripeUnavailable, gateway.PaymentsNotConfigured):
            return None
    return _of_customer(customer_id)


def _of_subscription(subscription_id: str) -> UUID | None:
    return Subscription.objects.filter(pk=subscription_id).values_list("user_id", flat=True).first()


def _of_refund(refund_id: str) -> UUID | None:
    return Refund.objects.filter(refund_id=refund_id).values_list("user_id", flat=True).first()


def _of_dispute(dispute_id: str) -> UUID | None:
    return Dispute.objects.filter(pk=dispute_id).values_list("user_id", flat=True).first()


FINDERS: dict[str, Callable[[str], UUID | None]] = {
    "cus": _of_customer,
    "cs": _of_session,
    "pi": _of_intent,
    "ch": _of_charge,
    "py": _of_charge,
    "in": _of_invoice,
    "sub": _of_subscription,
    "re": _of_refund,
    "dp": _of_dispute,
    "du": _of_dispute,
}


# --- One person ---------------------------------------------------------------------------------------------------


def list_purchases(*, user_id: UUID, limit: int, until: datetime | None = None) -> list[Purchase]:
    """Return a user's newest purchases, with their refunds and disputes, newest first."""
    purchases = Purchase.objects.filter(user_id=user_id).select_related("package")
    purchases = purchases.prefetch_related("refunds", "disputes")
    return list(until_moment(purchases, until).order_by("-created_at", "-pk")[:limit])


def list_subscriptions(*, user_id: UUID, limit: int) -> list[Subscription]:
    """Return a user's newest subscriptions, ended ones too."""
    return list(Subscription.objects.filter(user_id=user_id).order_by("-created_at", "-pk")[:limit])


def list_ended_subscriptions(*, user_id: UUID, until: datetime, limit: int) -> list[Subscription]:
    """Return the subscriptions of a user that ended until a moment, newest first."""
    return list(Subscription.objects.filter(user_id=user_id, ended_at__lte=until).order_by("-ended_at")[:limit])


def list_paid_invoices(*, user_id: UUID, until: datetime, limit: int) -> list[PaidInvoice]:
    """Return a user's paid invoices until a moment, newest first."""
    invoices = PaidInvoice.objects.filter(subscription__user_id=user_id, paid_at__lte=until)
    invoices = invoices.select_related("subscription").prefetch_related("refunds", "disputes")
    return list(invoices.order_by("-paid_at", "-pk")[:limit])


def list_refunds(*, user_id: UUID, until: datetime, limit: int) -> list[Refund]:
    """Return a user's refunds until a moment, newest first."""
    return list(until_moment(Refund.objects.filter(user_id=user_id), until).order_by("-created_at", "-pk")[:limit])


def list_disputes(*, user_id: UUID, until: datetime, limit: int) -> list[Dispute]:
    """Return a user's disputes until a moment, newest first."""
    return list(until_moment(Dispute.objects.filter(user_id=user_id), until).order_by("-created_at", "-pk")[:limit])


def list_plan_changes(*, user_id: UUID, until: datetime, limit: int) -> list[PlanChange]:
    """Return a user's changes of plan until a moment, newest first."""
    changes = until_moment(PlanChange.objects.filter(user_id=user_id), until)
    return list(changes.order_by("-created_at", "-pk")[:limit])


def list_plan_checkouts(*, user_id: UUID, until: datetime, limit: int) -> list[SubscriptionCheckout]:
    """Return the checkouts by which a user began plans, until a moment, newest first."""
    checkouts = until_moment(SubscriptionCheckout.objects.filter(user_id=user_id), until)
    return list(checkouts.order_by("-created_at", "-pk")[:limit])


def list_webhooks(*, user_id: UUID, until: datetime, limit: int) -> list[Any]:
    """Return what Stripe told us about a user until a moment, newest first, each with its state."""
    received = with_state(Webhook.objects.filter(user_id=user_id, received_at__lte=until))
    return list(received.order_by("-received_at", "-pk")[:limit])


def list_webhooks_in_trouble(*, user_id: UUID, limit: int) -> list[Any]:
    """Return what Stripe told us about a user and our work on failed, newest first, each with its state and error."""
    found = with_state(Webhook.objects.filter(NOT_DONE, user_id=user_id))
    found = found.annotate(error=Subquery(JobFailure.objects.filter(pk=OuterRef("job_id")).values("error")[:1]))
    in_trouble = found.filter(state__in=(WebhookState.FAILED, WebhookState.DEAD))
    return list(in_trouble.order_by("-received_at", "-pk")[:limit])


def until_moment(rows: QuerySet, until: datetime | None) -> QuerySet:
    return rows if until is None else rows.filter(created_at__lte=until)
