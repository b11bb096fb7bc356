"""What a paid invoice of a subscription gives: the months that it pays for, and the credits of an upgrade."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing import gateway, stripe_data
from billing.models import Customer, PaidInvoice, Subscription
from billing.services import letters
from billing.services.gifts import periods_of
from billing.services.money_back import settle_upgraded
from billing.services.subscriptions import (
    UnknownPrice,
    anchor_months,
    apply_plan,
    end_surplus,
    paid_from,
    pay_until,
    require_plan_of_price,
    sync_subscription,
)
from billing.services.upgrades import Upgrade, find_upgrade, give_upgrade, prices_before
from credits import services as credits_services
from smartspec.logs import get_logger

log = get_logger(__name__)

ZERO = Decimal(0)
RENEWAL = "subscription_cycle"


@dataclass(frozen=True)
class Bill:
    """What a paid invoice says: the period that it pays for and that period's plan, and the upgrade that it bills."""

    invoice: dict[str, Any]
    period: tuple[datetime, datetime] | None
    plan: str | None
    upgrade: Upgrade | None


def record_invoice(*, invoice_id: str, now: datetime) -> PaidInvoice | None:
    """This will bring the subscription of an invoice up to date and, if it is paid, give what it pays for, once.

    Returns None for an invoice that is not paid, of no subscription of ours, or of a second subscription.

    :raises UnknownPrice: it bills a price that stands for no plan.
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
    if recorded is None:
        record_all(subscription, invoice, now)
        recorded = PaidInvoice.objects.get(pk=invoice_id)
    return recorded


def record_all(subscription: Subscription, invoice: dict[str, Any], now: datetime) -> None:
    """Record an invoice with all that we have not heard of, in the order in which they were made: an upgrade grants
    what the month's allowance has not given yet, and the months after it are given by the new plan.
    """
    # Stripe lists the newest first; among those made within the same second, its order alone tells which came first.
    paid = list(gateway.list_all_invoices({"subscription": subscription.pk, "status": "paid"}))[::-1]
    if invoice["id"] not in {found["id"] for found in paid}:
        paid.append(invoice)
    known = set(PaidInvoice.objects.filter(subscription=subscription).values_list("pk", flat=True))
    bills = read_bills(paid, known=known, asked_for=invoice["id"])
    for number, bill in enumerate(bills):
        following = [later.upgrade.changed_at for later in bills[number + 1 :] if later.upgrade is not None]
        give_for_bill(subscription=subscription, bill=bill, now=now, until=min(following, default=None))


def read_bills(paid: list[dict[str, Any]], *, known: set[str], asked_for: str) -> list[Bill]:
    """Return what the paid invoices say that are not known. Another than the one that is asked for, with a price that
    stands for no plan, keeps nobody from what they paid for since: it stays unknown here, where reconcile names it.

    :raises UnknownPrice: the one that is asked for bills such a price.
    """
    bills, before = [], prices_before(paid)
    for invoice in paid:
        if invoice["id"] in known:
            continue
        try:
            bills.append(read_bill(invoice, before[invoice["id"]]))
        except UnknownPrice as error:
            if invoice["id"] == asked_for:
                raise
            log.error("Paid invoice left out", invoice_id=invoice["id"], reason=error.detail)
    return bills


def read_bill(invoice: dict[str, Any], price_before: str) -> Bill:
    """:raises UnknownPrice: it bills a price that stands for no plan."""
    plan_lines = stripe_data.invoice_period_lines(invoice)
    return Bill(
        invoice=invoice,
        period=stripe_data.invoice_paid_period(invoice),
        plan=require_plan_of_price(plan_lines[0].price_id)[0] if plan_lines else None,
        upgrade=find_upgrade(invoice, price_before),
    )


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
        letters.tell_failed_renewal(subscription, invoice, now=now)


def give_for_bill(*, subscription: Subscription, bill: Bill, now: datetime, until: datetime | None) -> PaidInvoice:
    """This will note a paid invoice and what it paid for, and give the allowances and the upgrade that it makes due:
    those that begin by `until`, from when on a later invoice changes the plan.
    """
    invoice, period, upgrade = bill.invoice, bill.period, bill.upgrade
    with transaction.atomic():
        locked = Customer.objects.select_for_update(of=("self",)).select_related("user")
        customer = locked.get(pk=subscription.customer_id)
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
        if upgrade is not None:  # what went back of the period pays for months again, as far as the upgrade does
            PaidInvoice.objects.filter(pk__in=[one.pk for one in periods_of(recorded)]).update(is_returned=False)
        pay_until(subscription)
        anchor_months(recorded)
        if upgrade is None:
            given = give_months(customer, recorded, bill.plan, now, until)
        else:
            given = give_months(customer, recorded, upgrade.old_plan, now, upgrade.changed_at)
            recorded.upgrade_credits = give_upgrade(recorded, upgrade, now)
            given += give_months(customer, recorded, upgrade.new_plan, now, until)
        apply_plan(customer, now)
        recorded.allowance_credits = given
        recorded.save(update_fields=["upgrade_credits", "allowance_credits"])
        if upgrade is not None:
            settle_upgraded(recorded, now)
        letters.tell_invoice(recorded, plan=bill.plan, now=now)
    if recorded.allowance_credits or recorded.upgrade_credits:
        log.info(
            "Credits fulfilled", user_id=str(customer.user_id), subscription_id=subscription.pk,
            invoice_id=recorded.pk, credits=str(recorded.allowance_credits + recorded.upgrade_credits),
        )  # fmt: skip
    return recorded


def give_months(
    customer: Customer, invoice: PaidInvoice, plan: str | None, now: datetime, until: datetime | None
) -> Decimal:
    """Give the months that an invoice made due and that begin by `until`, by the plan of then, and return how many
    credits that is. The caller holds the customer's lock.
    """
    subscription = Subscription.objects.get(pk=invoice.subscription_id)
    begin = paid_from(subscription)
    given = []
    if begin is not None:
        # From here on the months are counted; what is before it was cut off by a period that was paid earlier.
        counted_from = max(begin, subscription.anchor_at)
        given = give_own_months(subscription, invoice, plan=plan, now=now, until=until, before=counted_from)
    if subscription.ended_at is None:
        apply_plan(customer, now, plan=plan)
        given += credits_services.give_allowances(account_id=customer.user_id, now=now, until=until)
    elif begin is not None and subscription.paid_until is not None:
        # It was paid, and ended before we heard: the account has another plan by now.
        given += credits_services.give_past_allowances(
            account_id=customer.user_id,
            paid=credits_services.PaidTime(
                plan=plan or subscription.plan,
                source=subscription.pk,
                anchor_at=subscription.anchor_at,
                paid_from=begin,
                paid_until=subscription.paid_until,
            ),
            ended_at=subscription.ended_at,
            is_paid_late=invoice.paid_at > subscription.ended_at,
            now=now,
            until=until,
        )
    return sum((granted.grant.credits for granted in given), ZERO)


def give_own_months(
    subscription: Subscription,
    invoice: PaidInvoice,
    *,
    plan: str | None = None,
    now: datetime,
    until: datetime | None = None,
    before: datetime | None = None,
) -> list[credits_services.Granted]:
    """Give the months that begin within the period of an invoice, and `before` a moment, as those that come late."""
    begin, end = invoice.period_start, invoice.period_end
    if begin is None or end is None or (before is not None and begin >= before):
        return []
    return credits_services.give_past_allowances(
        account_id=subscription.user_id,
        paid=credits_services.PaidTime(
            plan=plan or subscription.plan,
            source=subscription.pk,
            anchor_at=min(subscription.anchor_at, begin),
            paid_from=begin,
            paid_until=min(end, before or end),
        ),
        ended_at=subscription.ended_at or now,
        is_paid_late=True,
        now=now,
        until=until,
    )


def give_missing_months(*, invoice_id: str, now: datetime) -> None:
    """This will give the months of a recorded invoice that it has not given, exactly once each, by the plan that it
    paid for.

    :raises UnknownPrice: its price stands for no plan.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    (line, *_) = stripe_data.invoice_period_lines(gateway.retrieve_invoice(invoice_id))
    plan, _ = require_plan_of_price(line.price_id)
    with transaction.atomic():
        Customer.objects.select_for_update(of=("self",)).get(subscriptions__paid_invoices=invoice_id)
        invoice = PaidInvoice.objects.select_related("subscription").get(pk=invoice_id)
        given = give_own_months(invoice.subscription, invoice, plan=plan, now=now)
        invoice.allowance_credits += sum((granted.grant.credits for granted in given), ZERO)
        invoice.save(update_fields=["allowance_credits"])
