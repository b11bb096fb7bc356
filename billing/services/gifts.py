"""What a payment gave: the grants, and of a month that two invoices paid for the part of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from billing.models import CheckoutState, Customer, PaidInvoice, Purchase
from billing.services.upgrades import monthly_credits
from credits import selectors as credits_selectors

Payment = Purchase | PaidInvoice

ZERO = Decimal(0)


@dataclass(frozen=True)
class Gift:
    """A grant that a payment gave, or the part of it that this payment paid for."""

    kind: str
    source: str
    credits: Decimal


def payer_id(payment: Payment) -> UUID:
    """Return the id of who paid."""
    return payment.user_id if isinstance(payment, Purchase) else payment.subscription.user_id


def lock_payment(payment: Payment) -> Payment:
    """Take the lock under which a payment's refunds and disputes are written, and return the payment as it is."""
    if isinstance(payment, Purchase):
        return Purchase.objects.select_for_update().get(pk=payment.pk)
    Customer.objects.select_for_update(of=("self",)).get(subscriptions=payment.subscription_id)
    return PaidInvoice.objects.select_related("subscription").get(pk=payment.pk)


def list_gifts(payment: Payment) -> list[Gift]:
    """Return what a payment has given until now."""
    if isinstance(payment, Purchase):
        if payment.state != CheckoutState.FULFILLED:
            return []
        source = f"purchase:{payment.pk}"
        gifts = [
            Gift("purchase", source, Decimal(payment.credits)),
            Gift("bonus", source, Decimal(payment.bonus_credits)),
        ]
    else:
        gifts = [*months_of(payment), Gift("subscription", f"upgrade:{payment.pk}", payment.upgrade_credits)]
    return [gift for gift in gifts if gift.credits]


def months_of(invoice: PaidInvoice) -> list[Gift]:
    """Return the allowances that an invoice paid for, or its part of them."""
    subscription = invoice.subscription
    invoices = list(PaidInvoice.objects.filter(subscription=subscription))
    allowances = credits_selectors.allowances_given(account_id=subscription.user_id, source=subscription.pk)
    return [Gift("subscription", given.source, parts_of(given, invoices).get(invoice.pk, ZERO)) for given in allowances]


def parts_of(given: credits_selectors.GivenAllowance, invoices: Sequence[PaidInvoice]) -> dict[str, Decimal]:
    """Return who paid how much of an allowance, by invoice: the last one in whose period it begins, but for what it
    gives more since an upgrade within that period; that much is the upgrade's."""
    paid = [one for one in invoices if has_in_period(one, given.period_start)]
    if not paid:
        return {}
    period = max(paid, key=lambda one: one.period_start or given.period_start)
    parts, rest = {}, given.credits
    for upgrade in reversed(upgrades_within(period, invoices)):
        if upgrade.upgraded_at is not None and upgrade.upgraded_at < given.period_start:
            # Given by the plan before, because we had not heard, it holds nothing of the upgrade, which made up for it.
            more = min(rest, monthly_credits(upgrade.upgraded_to)) - monthly_credits(upgrade.upgraded_from)
            parts[upgrade.pk] = max(ZERO, more)
            rest -= parts[upgrade.pk]
    return parts | {period.pk: rest}


def upgrades_within(period: PaidInvoice, invoices: Sequence[PaidInvoice]) -> list[PaidInvoice]:
    """Return the upgrades within the period of an invoice that are billed by others, oldest first."""
    found = [one for one in invoices if one.pk != period.pk and has_in_period(period, one.upgraded_at)]
    return sorted(found, key=lambda one: (one.upgraded_at, one.paid_at))


def periods_of(invoice: PaidInvoice) -> list[PaidInvoice]:
    """Return the invoices that pay for the months of this one: itself, and the one within whose period it upgrades."""
    others = PaidInvoice.objects.filter(subscription=invoice.subscription_id).exclude(pk=invoice.pk)
    upgraded = [other for other in others.select_related("subscription") if has_in_period(other, invoice.upgraded_at)]
    return upgraded if invoice.period_start is None else [invoice, *upgraded]


def has_in_period(invoice: PaidInvoice, moment: datetime | None) -> bool:
    start, end = invoice.period_start, invoice.period_end
    return moment is not None and start is not None and end is not None and start <= moment < end
