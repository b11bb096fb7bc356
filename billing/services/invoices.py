"""What a paid invoice of a subscription gives: the months that it pays for, and the credits of an upgrade."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max, Sum

from billing import gateway, selectors, stripe_data
from billing.models import Customer, PaidInvoice, Subscription
from billing.services.subscriptions import (
    apply_plan,
    end_surplus,
    is_entitled,
    require_plan_of_price,
    sync_subscription,
)
from credits import selectors as credits_selectors
from credits import services as credits_services
from smartspec import mail
from smartspec.logs import get_logger

log = get_logger(__name__)

ZERO = Decimal(0)
RENEWAL = "subscription_cycle"


@dataclass(frozen=True)
class Upgrade:
    """A change to a plan that gives more, and the moment up to which the old plan counts (the proration date)."""

    old_plan: str
    new_plan: str
    changed_at: datetime


def record_invoice(*, invoice_id: str, now: datetime) -> PaidInvoice | None:
    """This will bring the subscription of an invoice up to date and, if it is paid, give what it pays for, once.

    Returns None for an invoice that is not paid, of no subscription of ours, or of a second subscription.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    invoice = gateway.retrieve_invoice(invoice_id)
    subscription_id = stripe_data.invoice_subscription_id(invoice)
    if not subscription_id:
        return None  # a bought package has an invoice too; its purchase is what grants
    subscription = sync_subscription(subscription_id=subscription_id, now=now)
    if subscription is None:
        return None
    if not stripe_data.invoice_is_paid(invoice):
        note_failed_renewal(subscription, invoice, now)
        return None
    if subscription.is_surplus:
        end_surplus(subscription, now)
        return None
    recorded = PaidInvoice.objects.filter(pk=invoice_id).first()
    if recorded is not None:
        return recorded
    # What came before gives first: an upgrade grants what the month's allowance has not given yet.
    for earlier in unrecorded_before(subscription, invoice):
        give_for_invoice(subscription=subscription, invoice=earlier, now=now)
    return give_for_invoice(subscription=subscription, invoice=invoice, now=now)


def unrecorded_before(subscription: Subscription, invoice: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the paid invoices of the subscription that were made before this one and that we have not heard of.

    Stripe lists the newest first; among those made within the same second, its order alone tells which came first.
    """
    newest_first = list(gateway.list_all_invoices({"subscription": subscription.pk, "status": "paid"}))
    position = next((n for n, found in enumerate(newest_first) if found["id"] == invoice["id"]), 0)
    earlier = [
        found
        for n, found in enumerate(newest_first)
        if found["created"] < invoice["created"] or (found["created"] == invoice["created"] and n > position)
    ]
    known = set(PaidInvoice.objects.filter(pk__in=[found["id"] for found in earlier]).values_list("pk", flat=True))
    return [found for found in reversed(earlier) if found["id"] not in known]


def note_failed_renewal(subscription: Subscription, invoice: dict[str, Any], now: datetime) -> None:
    """The renewal has failed: the last month's credits, kept while its invoice was on the way, end now, and the user
    is told, once, where to pay. Stripe's further attempts at the same invoice are no further failure.
    """
    has_failed = invoice["billing_reason"] == RENEWAL and invoice["status"] == "open" and invoice["attempt_count"] > 0
    if not has_failed or subscription.is_surplus:
        return
    credits_services.end_grace(account_id=subscription.user_id, source=subscription.pk, now=now)
    if subscription.status != "past_due":
        return  # it has ended meanwhile: paying would repair nothing
    with transaction.atomic():
        mail.send_mail_once(
            user=subscription.user,
            template="renewal_failed",
            cause=invoice["id"],
            context={
                "plan": credits_selectors.get_plan(subscription.plan).display_name,
                "amount": f"{invoice['amount_remaining'] / 100:.2f}",
                "link": invoice["hosted_invoice_url"],
                "access_ends_at": selectors.access_ends_at(subscription),
            },
        )


def give_for_invoice(*, subscription: Subscription, invoice: dict[str, Any], now: datetime) -> PaidInvoice:
    """This will note a paid invoice and what it paid for, and give the allowances and the upgrade that it makes due."""
    period = stripe_data.invoice_paid_period(invoice)
    upgrade = find_upgrade(invoice)
    with transaction.atomic():
        customer = Customer.objects.select_for_update().select_related("user").get(pk=subscription.customer_id)
        recorded, is_new = PaidInvoice.objects.get_or_create(
            pk=invoice["id"],
            defaults={
                "subscription": subscription,
                "billing_reason": invoice["billing_reason"] or "",
                "paid_cents": invoice["amount_paid"],
                "currency": invoice["currency"],
                "period_start": period[0] if period else None,
                "period_end": period[1] if period else None,
                "upgraded_from": upgrade.old_plan if upgrade else "",
                "upgraded_to": upgrade.new_plan if upgrade else "",
                "upgraded_at": upgrade.changed_at if upgrade else None,
                "paid_at": stripe_data.invoice_paid_at(invoice),
            },
        )
        if not is_new:
            return recorded
        pay_until(subscription)
        # The months before an upgrade, and those of an invoice that we learn of late, are given by the plan of then.
        apply_plan(customer, now, plan=upgrade.old_plan if upgrade else find_paid_plan(invoice))
        given = credits_services.give_allowances(account_id=customer.user_id, now=now)
        apply_plan(customer, now)
        if upgrade is not None:
            recorded.upgrade_credits = give_upgrade(customer, recorded, upgrade, now)
        recorded.allowance_credits = sum((granted.grant.credits for granted in given), ZERO)
        recorded.save(update_fields=["upgrade_credits", "allowance_credits"])
    if recorded.allowance_credits or recorded.upgrade_credits:
        log.info(
            "Credits fulfilled", user_id=str(customer.user_id), subscription_id=subscription.pk,
            invoice_id=recorded.pk, credits=str(recorded.allowance_credits + recorded.upgrade_credits),
        )  # fmt: skip
    return recorded


def pay_until(subscription: Subscription) -> None:
    """Note until when a subscription is paid: the last period of an invoice whose money we still have."""
    kept = PaidInvoice.objects.filter(subscription=subscription, is_returned=False)
    paid_until = kept.aggregate(end=Max("period_end"))["end"]
    Subscription.objects.filter(pk=subscription.pk).update(paid_until=paid_until)


def find_paid_plan(invoice: dict[str, Any]) -> str | None:
    """Return the plan of the period that an invoice pays for, None when it pays for none."""
    paid = [line for line in stripe_data.invoice_lines(invoice) if not line.is_proration and line.amount_cents > 0]
    return require_plan_of_price(paid[0].price_id)[0] if paid else None


# --- Upgrades -----------------------------------------------------------------------------------------------------


def find_upgrade(invoice: dict[str, Any]) -> Upgrade | None:
    """Return the upgrade that an invoice bills: unused time of one plan back, time of one that gives more charged."""
    if invoice["billing_reason"] != "subscription_update":
        return None
    lines = stripe_data.invoice_lines(invoice)
    given_back = [line for line in lines if line.is_proration and line.amount_cents < 0]
    charged = [line for line in lines if line.amount_cents > 0]
    if not given_back or not charged:
        return None
    old_plan, _ = require_plan_of_price(given_back[0].price_id)
    new_plan, _ = require_plan_of_price(charged[-1].price_id)
    if monthly_credits(new_plan) <= monthly_credits(old_plan):
        return None
    return Upgrade(old_plan, new_plan, changed_at=min(line.starts_at for line in given_back))


def give_upgrade(customer: Customer, recorded: PaidInvoice, upgrade: Upgrade, now: datetime) -> Decimal:
    """Grant what this month's share of both plans exceeds what the month has given; the caller holds the lock."""
    subscription = recorded.subscription
    state = credits_selectors.get_plan_state(account_id=customer.user_id, now=upgrade.changed_at)
    credits = upgrade_credits(subscription, upgrade, period_start=state.period_start, period_end=state.period_end)
    if not credits:
        return ZERO
    expires_at = state.period_end
    if expires_at <= now:  # learned of after the month's end: it lives as long from now
        expires_at = now + (state.period_end - state.period_start)
    credits_services.grant(
        account_id=customer.user_id,
        kind="subscription",
        credits=credits,
        source=f"upgrade:{recorded.pk}",
        now=now,
        expires_at=expires_at,
        description=f"Upgrade to {credits_selectors.get_plan(upgrade.new_plan).display_name}",
        reference_type="invoice",
        reference_id=recorded.pk,
    )
    return credits


def upgrade_credits(
    subscription: Subscription, upgrade: Upgrade, *, period_start: datetime, period_end: datetime
) -> Decimal:
    """Return `max(0, old x elapsed + new x left - what the month gave)`, rounded up to a whole credit."""
    length_seconds = Decimal((period_end - period_start).total_seconds())
    left_seconds = Decimal((period_end - upgrade.changed_at).total_seconds())
    old, new = monthly_credits(upgrade.old_plan), monthly_credits(upgrade.new_plan)
    due = (old * (length_seconds - left_seconds) + new * left_seconds) / length_seconds
    earlier_upgrades: Decimal | None = PaidInvoice.objects.filter(
        subscription=subscription, upgraded_at__gte=period_start, upgraded_at__lt=period_end
    ).aggregate(total=Sum("upgrade_credits"))["total"]
    allowance = credits_selectors.allowance_given(
        account_id=subscription.user_id, source=subscription.pk, period_start=period_start
    )
    missing = due - allowance - (earlier_upgrades or ZERO)
    return max(ZERO, missing.to_integral_value(rounding=ROUND_CEILING))


def preview_upgrade_credits(*, subscription: Subscription, new_plan: str, now: datetime) -> Decimal:
    """Return the credits that a change to `new_plan`, paid now, would grant."""
    if not is_entitled(subscription) or monthly_credits(new_plan) <= monthly_credits(subscription.plan):
        return ZERO
    state = credits_selectors.get_plan_state(account_id=subscription.user_id, now=now)
    upgrade = Upgrade(subscription.plan, new_plan, changed_at=now.replace(microsecond=0))
    return upgrade_credits(subscription, upgrade, period_start=state.period_start, period_end=state.period_end)


def monthly_credits(plan: str) -> Decimal:
    return Decimal(credits_selectors.get_plan(plan).monthly_credits)
