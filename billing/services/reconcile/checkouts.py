"""Checkout sessions, and what was bought by them."""

from datetime import datetime
from typing import Any

from django.db.models import Q

from billing import gateway, stripe_data
from billing.models import CheckoutState, Purchase, Subscription, SubscriptionCheckout
from billing.services.customers import find_user
from billing.services.reconcile.comparing import Checks, Difference, Finding, Window, compare, first_then
from billing.services.reconcile.payments import is_back, missing_gifts
from billing.services.settlement import (
    FORWARD,
    find_row,
    judge_purchase,
    judge_unpaid,
    restore_grants,
    settle_session,
)
from smartspec.paging import in_pages


def check_sessions(window: Window, now: datetime) -> Checks:
    """Stripe's checkout sessions, and every checkout of ours that is not final, whatever its age."""
    for session in window.list_all(gateway.list_checkout_sessions):
        yield compare_session(session["id"], session, now)
    unfinished = Q(state__in=("open", "processing", "needs_review"), session_id__isnull=False)
    for model in (Purchase, SubscriptionCheckout):
        rows = window.older(model._default_manager.filter(unfinished))
        for checkout in in_pages(rows):
            yield compare_session(checkout.session_id, None, now)


def compare_session(session_id: str, session: dict[str, Any] | None, now: datetime) -> Finding | None:
    read = first_then(session, lambda: gateway.retrieve_checkout_session(session_id))

    def look() -> Difference | None:
        try:
            return look_at_session(read())
        except gateway.StripeObjectMissing:
            return None

    def repair() -> None:
        settled = settle_session(session_id=session_id, now=now)
        if isinstance(settled, Purchase) and settled.state == CheckoutState.FULFILLED:
            restore_grants(purchase=settled, now=now)

    return compare(session_id, look, repair)


def look_at_session(session: dict[str, Any]) -> Difference | None:
    if session["mode"] == "subscription":
        return look_at_subscription_session(session)
    if session["mode"] != "payment":
        return None
    purchase = find_row(Purchase, session, stripe_data.PURCHASE_ID)
    is_paid = stripe_data.session_is_paid(session)
    if purchase is None:
        return look_at_unknown_session(session) if is_paid else None

    def differ(kind: str, detail: str) -> Difference:
        return Difference(kind, session["id"], str(purchase.user_id), detail)

    state, reason = judge_purchase(purchase, session)
    if purchase.state == CheckoutState.FULFILLED:
        if not is_paid:
            return differ("granted_not_paid", f"Stripe says {session['payment_status']}.")
        if purchase.paid_cents != session["amount_total"]:
            return differ("amount_mismatch", f"{session['amount_total']} cents paid, {purchase.paid_cents} recorded.")
        missing = missing_gifts(purchase)
        return differ("paid_not_granted", f"{missing} grants are missing in the ledger.") if missing else None
    if state == CheckoutState.NEEDS_REVIEW:
        is_settled = purchase.state == state and session["amount_total"] and session_is_back(session)
        return None if is_settled else differ("amount_mismatch", reason)
    if is_paid:
        return differ("paid_not_granted", f"The purchase is {purchase.state}.")
    if FORWARD[state] > FORWARD[CheckoutState(purchase.state)]:
        return differ("checkout_state_mismatch", f"{purchase.state} here, {state} at Stripe.")
    return None


def look_at_unknown_session(session: dict[str, Any]) -> Difference | None:
    """A paid session whose purchase went with the database. Whose user went too is for a person, until it is back."""
    named = stripe_data.metadata(session)
    user_id = named.get(stripe_data.USER_ID, "")
    if find_user(user_id) is not None:
        return Difference("unknown_purchase", session["id"], user_id, "Paid, and no purchase of ours is known.")
    if stripe_data.PURCHASE_ID not in named or session_is_back(session):
        return None
    paid = f"{session['amount_total']} cents paid by {session['customer']}"
    return Difference("unknown_user", session["id"], user_id, f"{paid}, whose user is not known here.")


def session_is_back(session: dict[str, Any]) -> bool:
    """Whether all that was paid in a session went back."""
    payment_intent_id = stripe_data.session_payment_intent_id(session)
    if not payment_intent_id:
        return bool(session["amount_total"] == 0)
    return is_back(payment_intent_id, session["amount_total"])


def look_at_subscription_session(session: dict[str, Any]) -> Difference | None:
    checkout = find_row(SubscriptionCheckout, session, stripe_data.CHECKOUT_ID)
    if checkout is None or checkout.state == CheckoutState.FAILED:
        return None
    state = state_at_stripe(session)
    if FORWARD[state] <= FORWARD[CheckoutState(checkout.state)]:
        return None
    kind = "paid_not_granted" if state == CheckoutState.FULFILLED else "checkout_state_mismatch"
    return Difference(kind, session["id"], str(checkout.user_id), f"{checkout.state} here, {state} at Stripe.")


def state_at_stripe(session: dict[str, Any]) -> CheckoutState:
    """Return how the checkout of a plan stands; one that is not paid stands as its subscription does."""
    if stripe_data.session_is_paid(session):
        return CheckoutState.FULFILLED
    state = judge_unpaid(session)
    if state != CheckoutState.PROCESSING:
        return state
    subscription_id = stripe_data.session_subscription_id(session)
    if Subscription.objects.filter(pk=subscription_id, paid_until__isnull=False).exists():
        return CheckoutState.FULFILLED
    has_ended = stripe_data.subscription_is_ended(gateway.retrieve_subscription(subscription_id))
    return CheckoutState.FAILED if has_ended else state
