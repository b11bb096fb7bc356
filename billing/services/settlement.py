"""Turning what became of a checkout session into state and credits. Called by webhook, poll and return page."""

from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing import gateway, selectors, stripe_data
from billing.models import (
    Checkout,
    CheckoutState,
    Package,
    PaidInvoice,
    Purchase,
    Subscription,
    SubscriptionCheckout,
)
from billing.services import letters
from billing.services.customers import find_user
from billing.services.gifts import Payment
from billing.services.invoices import record_invoice
from billing.services.subscriptions import sync_subscription
from billing.services.unowed import give_back_void
from credits import services as credits_services
from smartspec.logs import get_logger
from smartspec.users.throttling import Rate, count_call

log = get_logger(__name__)

AnyCheckout = TypeVar("AnyCheckout", bound=Checkout)

# A checkout only moves forward, so that a state fetched a moment ago can never undo a later one. Both in the last row
# are final: a mismatch is put right by staff, never by another delivery.
FORWARD = {
    CheckoutState.OPEN: 0,
    CheckoutState.PROCESSING: 1,
    CheckoutState.EXPIRED: 2,
    CheckoutState.FAILED: 2,
    CheckoutState.NEEDS_REVIEW: 3,
    CheckoutState.FULFILLED: 3,
}


def settle_session(*, session_id: str, now: datetime) -> Purchase | SubscriptionCheckout | None:
    """This will look at what the session is now and do what follows, any number of times to the same end.

    Returns the checkout, or None when the session is not ours (another product may share the Stripe account).

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    session = gateway.retrieve_checkout_session(session_id)
    if session["mode"] == "payment":
        purchase = find_row(Purchase, session, stripe_data.PURCHASE_ID) or make_again(session)
        return None if purchase is None else fulfil_purchase(purchase_id=purchase.pk, session=session, now=now)
    if session["mode"] == "subscription":
        checkout = find_row(SubscriptionCheckout, session, stripe_data.CHECKOUT_ID)
        return None if checkout is None else settle_subscription_checkout(checkout=checkout, session=session, now=now)
    return None


def refresh_checkout(
    *, session_id: str, now: datetime, user_id: UUID | None = None
) -> Purchase | SubscriptionCheckout | None:
    """This will return the checkout with this session (of this user, if one is given), settled if it still can change.

    Apps and pages ask again and again, and on the return page anybody may: Stripe is asked as often as THROTTLE_RATES
    says, and beyond that the answer is what we know.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    checkout = selectors.find_checkout(session_id=session_id, user_id=user_id)
    if checkout is None or FORWARD[CheckoutState(checkout.state)] > FORWARD[CheckoutState.PROCESSING]:
        return checkout
    if not count_call(key=f"checkout:{checkout.pk}", rate=Rate.parse(settings.THROTTLE_RATES["checkout"]), now=now):
        return checkout
    return settle_session(session_id=session_id, now=now) or checkout


def settle_payment(*, payment_intent_id: str, now: datetime) -> Purchase | None:
    """This will settle what a payment that succeeded is for; one of an invoice that is void by now goes back in full.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    purchase = settle_payment_intent(payment_intent_id=payment_intent_id, now=now)
    if purchase is None:
        give_back_void(payment_intent_id=payment_intent_id, now=now)
    return purchase


def settle_payment_intent(*, payment_intent_id: str, now: datetime) -> Purchase | None:
    """This will settle the session that a payment belongs to, if it is one of ours."""
    intent = gateway.retrieve_payment_intent(payment_intent_id)
    purchase = find_by_id(Purchase, stripe_data.metadata(intent).get(stripe_data.PURCHASE_ID, ""))
    if purchase is None or not purchase.session_id:
        return None
    settled = settle_session(session_id=purchase.session_id, now=now)
    return settled if isinstance(settled, Purchase) else None


def find_payment(*, payment_intent_id: str, now: datetime) -> Payment | None:
    """This will return the purchase or the paid invoice behind a payment, fulfilled first if it was not.

    None when it is not ours, or of a second subscription, which gave nothing.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    purchase = Purchase.objects.filter(payment_intent_id=payment_intent_id).first()
    if purchase is None or purchase.state not in (CheckoutState.FULFILLED, CheckoutState.NEEDS_REVIEW):
        purchase = settle_payment_intent(payment_intent_id=payment_intent_id, now=now) or purchase
    if purchase is not None:
        return purchase
    for payment in gateway.list_payments_of_intent(payment_intent_id):
        invoice_id = stripe_data.payment_invoice_id(payment)
        invoice = PaidInvoice.objects.filter(pk=invoice_id).first() or record_invoice(invoice_id=invoice_id, now=now)
        if invoice is not None:
            return invoice
    return None


# --- Purchases ----------------------------------------------------------------------------------------------------


def fulfil_purchase(*, purchase_id: UUID, session: dict[str, Any], now: datetime) -> Purchase:
    """This will turn a paid session into a grant, exactly once, or record why not yet, not at all, or only by staff."""
    with transaction.atomic():
        purchase = Purchase.objects.select_for_update().get(pk=purchase_id)
        state, reason = judge_purchase(purchase, session)
        if FORWARD[state] <= FORWARD[CheckoutState(purchase.state)]:
            return purchase
        purchase.state, purchase.review_reason = state, reason
        purchase.session_id = purchase.session_id or session["id"]
        purchase.payment_intent_id = stripe_data.session_payment_intent_id(session)
        if state in (CheckoutState.FULFILLED, CheckoutState.NEEDS_REVIEW):
            purchase.paid_cents = session["amount_total"]
        if state == CheckoutState.FULFILLED:
            give_purchase(purchase, now)
        purchase.save()
    log_purchase(purchase)
    return purchase


def give_purchase(purchase: Purchase, now: datetime) -> None:
    """Fulfil a paid purchase whose lock the caller holds, and who saves it: the credits are given, the receipt sent."""
    purchase.state, purchase.fulfilled_at = CheckoutState.FULFILLED, now
    grant_purchase(purchase, now)
    letters.tell_purchase(purchase, now=now)


def make_again(session: dict[str, Any]) -> Purchase | None:
    """Return the row of a paid session that was lost with its database, made again from what we told Stripe.

    None when it was never ours: another product may share the Stripe account, or this is a copy of another database.
    Only our key can write a session's metadata, and what it sold for is the session's own word.
    """
    told = stripe_data.metadata(session)
    user = find_user(told.get(stripe_data.USER_ID, ""))
    try:
        purchase_id = UUID(told.get(stripe_data.PURCHASE_ID, ""))
        credits, bonus_credits = int(told[stripe_data.CREDITS]), int(told[stripe_data.BONUS_CREDITS])
    except (ValueError, KeyError):
        return None
    package = Package.objects.filter(credits=credits, bonus_credits=bonus_credits).first()
    if user is None or not stripe_data.session_is_paid(session) or (bonus_credits and package is None):
        return None
    purchase, is_new = Purchase.objects.get_or_create(
        pk=purchase_id,
        defaults={
            "user": user,
            "package": package,
            "credits": credits,
            "bonus_credits": bonus_credits,
            "price_cents": session["amount_subtotal"],
            "currency": session["currency"],
            "session_id": session["id"],
            "created_at": stripe_data.required_moment(session["created"]),
        },
    )
    if is_new:
        log.warning("Lost purchase made again", purchase_id=str(purchase_id), session_id=session["id"])
    return purchase


def restore_grants(*, purchase: Purchase, now: datetime) -> None:
    """This will give what a fulfilled purchase should have given, if the ledger does not have it."""
    with transaction.atomic():
        grant_purchase(Purchase.objects.select_for_update().get(pk=purchase.pk), now)


def judge_purchase(purchase: Purchase, session: dict[str, Any]) -> tuple[CheckoutState, str]:
    """Return the state that the session calls for, and for `needs_review` the reason."""
    if not stripe_data.session_is_paid(session):
        return judge_unpaid(session), ""
    differences = [
        f"{name} is {found!r}, quoted {expected!r}"
        for name, found, expected in (
            ("amount_subtotal", session["amount_subtotal"], purchase.price_cents),
            ("currency", session["currency"], purchase.currency),
            ("session", session["id"], purchase.session_id or session["id"]),
            ("user", stripe_data.metadata(session).get(stripe_data.USER_ID), str(purchase.user_id)),
        )
        if found != expected
    ]
    if differences:
        return CheckoutState.NEEDS_REVIEW, "; ".join(differences)
    return CheckoutState.FULFILLED, ""


def judge_unpaid(session: dict[str, Any]) -> CheckoutState:
    if session["status"] == "expired":
        return CheckoutState.EXPIRED
    if stripe_data.session_payment_failed(session):
        return CheckoutState.FAILED
    return CheckoutState.PROCESSING if session["status"] == "complete" else CheckoutState.OPEN


def grant_purchase(purchase: Purchase, now: datetime) -> None:
    """Give what was quoted: what was paid for, with its price, and the bonus are two grants with the same source."""
    name = purchase.package.name if purchase.package else "Custom amount"
    gifts = [
        ("purchase", purchase.credits, f"{name}: {purchase.credits:,} credits"),
        ("bonus", purchase.bonus_credits, f"{name}: {purchase.bonus_credits:,} bonus credits"),
    ]
    for kind, credits, description in gifts:
        if credits:
            credits_services.grant(
                account_id=purchase.user_id,
                kind=kind,
                credits=Decimal(credits),
                source=f"purchase:{purchase.pk}",
                now=now,
                description=description,
                reference_type="purchase",
                reference_id=str(purchase.pk),
                paid_cents=purchase.paid_cents if kind == "purchase" else None,
                currency=purchase.currency if kind == "purchase" else "",
            )


def log_purchase(purchase: Purchase) -> None:
    ids = {
        "user_id": str(purchase.user_id),
        "purchase_id": str(purchase.pk),
        "session_id": purchase.session_id,
        "payment_intent_id": purchase.payment_intent_id,
    }
    if purchase.state == CheckoutState.FULFILLED:
        log.info("Checkout completed", **ids)
        log.info("Credits fulfilled", credits=purchase.credits, bonus_credits=purchase.bonus_credits, **ids)
    elif purchase.state == CheckoutState.NEEDS_REVIEW:
        log.error("Purchase needs review", reason=purchase.review_reason, **ids)
    else:
        log.info("Checkout changed", state=str(purchase.state), **ids)


# --- Subscription checkouts ---------------------------------------------------------------------------------------


def settle_subscription_checkout(
    *, checkout: SubscriptionCheckout, session: dict[str, Any], now: datetime
) -> SubscriptionCheckout:
    """This will bring over the subscription of a complete session, and the first invoice of a paid one, and record how
    the checkout stands.
    """
    subscription: Subscription | None = None
    if stripe_data.session_subscription_id(session):
        subscription = sync_subscription(subscription_id=stripe_data.session_subscription_id(session), now=now)
    invoice_id = stripe_data.session_invoice_id(session)
    is_void = False
    if stripe_data.session_is_paid(session) and invoice_id:
        recorded = record_invoice(invoice_id=invoice_id, now=now)
        is_void = recorded is None and gateway.retrieve_invoice(invoice_id)["status"] == "void"
    with transaction.atomic():
        checkout = SubscriptionCheckout.objects.select_for_update().get(pk=checkout.pk)
        if subscription is not None:
            checkout.subscription_id = subscription.pk
        state = judge_plan(session, subscription, is_void=is_void)
        if FORWARD[state] <= FORWARD[CheckoutState(checkout.state)]:
            return checkout
        checkout.state = state
        checkout.session_id = checkout.session_id or session["id"]
        checkout.save()
    ids = {"user_id": str(checkout.user_id), "session_id": session["id"], "subscription_id": checkout.subscription_id}
    if state == CheckoutState.FULFILLED:
        log.info("Checkout completed", **ids)
    else:
        log.info("Checkout changed", state=str(state), **ids)
    return checkout


def judge_plan(session: dict[str, Any], subscription: Subscription | None, *, is_void: bool = False) -> CheckoutState:
    """Return the state that a session calls for whose subscription, up to date, is this one."""
    if subscription is None:
        return judge_unpaid(session)
    if subscription.is_surplus or is_void:
        return CheckoutState.FAILED  # paid all the same, for a second one or a void invoice: that goes back
    if stripe_data.session_is_paid(session) or subscription.paid_until is not None:
        return CheckoutState.FULFILLED  # the debit may have failed and a card paid its invoice
    return judge_unpaid(session) if subscription.ended_at is None else CheckoutState.FAILED


# --- Which row a session belongs to -------------------------------------------------------------------------------


def find_row(model: type[AnyCheckout], session: dict[str, Any], metadata_key: str) -> AnyCheckout | None:
    """Return the row with this session; or, if we died before noting it, the row that its metadata names."""
    found: AnyCheckout | None = model._default_manager.filter(session_id=session["id"]).first()
    return found or find_by_id(model, stripe_data.metadata(session).get(metadata_key, ""))


def find_by_id(model: type[AnyCheckout], row_id: str) -> AnyCheckout | None:
    try:
        return model._default_manager.filter(pk=UUID(row_id)).first()
    except ValueError:
        return None
