"""From our books to Stripe's: what we gave must have been paid."""

from collections.abc import Callable
from datetime import datetime

from billing import gateway
from billing.models import CheckoutState, PaidInvoice, Purchase
from billing.services.reconcile.checkouts import look_at_session
from billing.services.reconcile.comparing import Checks, Difference, Window, compare
from billing.services.settlement import find_by_id
from credits import selectors as credits_selectors
from smartspec.paging import in_pages


def check_our_payments(window: Window, now: datetime) -> Checks:
    """What we gave in the window must have been paid."""
    fulfilled = Purchase.objects.filter(state=CheckoutState.FULFILLED, fulfilled_at__lte=window.until)
    invoices = PaidInvoice.objects.filter(paid_at__lte=window.until)
    if window.since:
        fulfilled = fulfilled.filter(fulfilled_at__gte=window.since)
        invoices = invoices.filter(paid_at__gte=window.since)
    if window.user_id:
        fulfilled = fulfilled.filter(user_id=window.user_id)
        invoices = invoices.filter(subscription__user_id=window.user_id)
    for purchase in in_pages(fulfilled):
        yield compare(purchase.pk, lambda purchase=purchase: look_at_fulfilled(purchase, window))  # type: ignore[misc]
    for recorded in in_pages(invoices.select_related("subscription")):
        yield compare(recorded.pk, lambda recorded=recorded: look_at_recorded(recorded))  # type: ignore[misc]
    for prefix, look in LOOK_AT_GRANT.items():
        for grant in credits_selectors.iterate_grants(
            source_prefix=prefix, since=window.since, until=window.until, account_id=window.user_id
        ):
            yield compare(grant.source, lambda look=look, grant=grant: look(grant))  # type: ignore[misc]


def look_at_fulfilled(purchase: Purchase, window: Window) -> Difference | None:
    try:
        session = gateway.retrieve_checkout_session(purchase.session_id or "")
    except gateway.StripeObjectMissing:
        return Difference("granted_not_paid", str(purchase.pk), str(purchase.user_id), "Unknown at Stripe.")
    was_listed = window.since is None or purchase.created_at >= window.since
    return None if was_listed else look_at_session(session)


def look_at_recorded(recorded: PaidInvoice) -> Difference | None:
    try:
        status = gateway.retrieve_invoice(recorded.pk)["status"]
    except gateway.StripeObjectMissing:
        status = "unknown"
    if status == "paid":
        return None
    user_id = str(recorded.subscription.user_id)
    return Difference("granted_not_paid", recorded.pk, user_id, f"The invoice is {status} at Stripe.")


def look_at_purchase_grant(grant: credits_selectors.GrantSummary) -> Difference | None:
    purchase_id = grant.source.removeprefix("purchase:")
    purchase = find_by_id(Purchase, purchase_id)
    if purchase is None or (purchase.user_id, purchase.state) != (grant.account_id, CheckoutState.FULFILLED):
        return unpaid_grant(grant, "a purchase that is not fulfilled")
    quoted = purchase.credits if grant.kind == "purchase" else purchase.bonus_credits
    if quoted == grant.credits:
        return None
    detail = f"{grant.credits} credits given, {quoted} bought."
    return Difference("amount_mismatch", purchase_id, str(grant.account_id), detail)


def look_at_upgrade_grant(grant: credits_selectors.GrantSummary) -> Difference | None:
    invoice_id = grant.source.removeprefix("upgrade:")
    paid = PaidInvoice.objects.filter(pk=invoice_id, subscription__user_id=grant.account_id)
    return None if paid.exists() else unpaid_grant(grant, "an upgrade that was not paid")


def look_at_allowance_grant(grant: credits_selectors.GrantSummary) -> Difference | None:
    _, subscription_id, begin = grant.source.split(":", 2)
    begin_at = datetime.fromisoformat(begin)
    paid = PaidInvoice.objects.filter(
        subscription_id=subscription_id, period_start__lte=begin_at, period_end__gt=begin_at
    )
    return None if paid.exists() else unpaid_grant(grant, "a month that was not paid")


def unpaid_grant(grant: credits_selectors.GrantSummary, reason: str) -> Difference:
    detail = f"{grant.credits} credits of {reason}."
    return Difference("granted_not_paid", grant.source, str(grant.account_id), detail)


LOOK_AT_GRANT: dict[str, Callable[[credits_selectors.GrantSummary], Difference | None]] = {
    "purchase:": look_at_purchase_grant,
    "upgrade:": look_at_upgrade_grant,
    "allowance:sub_": look_at_allowance_grant,
}
