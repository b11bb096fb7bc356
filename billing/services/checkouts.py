"""Opening a hosted checkout: a row first, then the session at Stripe, so that nothing unknown to us can be paid."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from django.conf import settings
from django.urls import reverse

from billing import gateway, selectors, stripe_data
from billing.models import Checkout, CheckoutState, Customer, Purchase, SubscriptionCheckout
from billing.services.customers import ensure_customer, replace_deleted
from billing.services.keys import claim_key, find_by_key, hash_request
from billing.services.settlement import settle_session
from billing.services.subscriptions import sync_subscription
from credits import selectors as credits_selectors
from credits import services as credits_services
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.users.models import User

log = get_logger(__name__)


class AlreadySubscribed(DomainError):
    """The user has a subscription that is not ended."""

    code = "already_subscribed"
    status = 409
    title = "Already subscribed"


@dataclass(frozen=True)
class OpenedCheckout:
    """Where to send the buyer. `is_replay`: the first answer to this Idempotency-Key, given again."""

    session_id: str
    url: str
    is_replay: bool


def again_with_new_customer(open_checkout: Callable[..., OpenedCheckout]) -> Callable[..., OpenedCheckout]:
    """Open a checkout once more, when Stripe's refusal shows that the user's customer was deleted there by hand. A
    webhook may have told us first, and given the user another one meanwhile."""

    @wraps(open_checkout)
    def opened(*, user: User, now: datetime, **values: Any) -> OpenedCheckout:
        customer = Customer.objects.filter(user=user).first()
        try:
            return open_checkout(user=user, now=now, **values)
        except (gateway.StripeObjectMissing, Customer.DoesNotExist):
            if customer is None:
                raise
            replace_deleted(customer_id=customer.pk, now=now)
            if Customer.objects.filter(pk=customer.pk).exists():
                raise
            return open_checkout(user=user, now=now, **values)

    return opened


# --- Credits ------------------------------------------------------------------------------------------------------


@again_with_new_customer
def open_credits_checkout(
    *,
    user: User,
    credits_amount: int,
    now: datetime,
    success_url: str = "",
    cancel_url: str = "",
    idempotency_key: str | None = None,
) -> OpenedCheckout:
    """This will open a hosted checkout for `credits_amount` credits (a package's, or a custom amount).

    :raises IdempotencyConflict: the key was used with another body.
    :raises credits_services.AccountFrozen: the account is frozen.
    :raises gateway.StripeUnavailable: Stripe cannot be reached; the same key may be used again.
    """
    request = {"credits_amount": credits_amount, "success_url": success_url, "cancel_url": cancel_url}
    request_hash = hash_request(request)
    purchase = find_by_key(Purchase, user, idempotency_key, request_hash)
    if purchase is not None and purchase.session_id:
        return OpenedCheckout(purchase.session_id, purchase.session_url, is_replay=True)
    require_not_frozen(user)
    customer = ensure_customer(user=user, now=now)
    if purchase is None:
        quote = selectors.get_quote(credits_amount=credits_amount)
        purchase = claim_key(
            Purchase(
                user=user,
                package=quote.package,
                credits=quote.credits,
                bonus_credits=quote.bonus_credits,
                price_cents=quote.price_cents,
                currency=quote.currency,
                idempotency_key=idempotency_key,
                request_hash=request_hash,
                success_url=success_url,
                cancel_url=cancel_url,
                created_at=now,
            )
        )
    return open_session(purchase, credits_session_values(purchase, customer))


def credits_session_values(purchase: Purchase, customer: Customer) -> dict[str, Any]:
    """Return the parameters of a session that sells what was quoted."""
    metadata = {
        stripe_data.PURCHASE_ID: str(purchase.pk),
        stripe_data.USER_ID: str(purchase.user_id),
        stripe_data.CREDITS: str(purchase.credits),
        stripe_data.BONUS_CREDITS: str(purchase.bonus_credits),
    }
    return {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": purchase.currency,
                    "unit_amount": purchase.price_cents,
                    "product_data": {"name": describe_purchase(purchase)},
                },
            }
        ],
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        # Every buyer gets an invoice; an invoice.paid without a subscription grants nothing.
        "invoice_creation": {"enabled": True, "invoice_data": {"metadata": metadata}},
        **common_session_values(purchase, customer),
    }


def describe_purchase(purchase: Purchase) -> str:
    """Return what the buyer reads on the checkout and the invoice."""
    name = f"{purchase.credits:,} SmartSpec Pro credits"
    return f"{name} + {purchase.bonus_credits:,} bonus" if purchase.bonus_credits else name


# --- Subscriptions ------------------------------------------------------------------------------------------------


@again_with_new_customer
def open_subscription_checkout(
    *,
    user: User,
    plan: str,
    interval: str,
    now: datetime,
    success_url: str = "",
    cancel_url: str = "",
    idempotency_key: str | None = None,
) -> OpenedCheckout:
    """This will open a hosted checkout for a plan, and expire the user's other open ones.

    :raises AlreadySubscribed: the user has a subscription that is not ended.
    :raises IdempotencyConflict: the key was used with another body.
    :raises credits_services.AccountFrozen: the account is frozen.
    :raises gateway.PaymentsNotConfigured: the plan has no price on this server.
    :raises gateway.StripeUnavailable: Stripe cannot be reached; the same key may be used again.
    """
    request = {"plan": plan, "interval": interval, "success_url": success_url, "cancel_url": cancel_url}
    request_hash = hash_request(request)
    checkout = find_by_key(SubscriptionCheckout, user, idempotency_key, request_hash)
    if checkout is not None and checkout.session_id:
        return OpenedCheckout(checkout.session_id, checkout.session_url, is_replay=True)
    require_not_frozen(user)
    price_id = selectors.price_id_of_plan(plan=plan, interval=interval)
    customer = ensure_customer(user=user, now=now)
    end_open_checkouts(user=user, model=SubscriptionCheckout, now=now, kept_key=idempotency_key)
    require_not_subscribed(user=user, customer=customer, now=now)
    if checkout is None:
        checkout = claim_key(
            SubscriptionCheckout(
                user=user,
                plan=plan,
                interval=interval,
                price_id=price_id,
                idempotency_key=idempotency_key,
                request_hash=request_hash,
                success_url=success_url,
                cancel_url=cancel_url,
                created_at=now,
            )
        )
    return open_session(checkout, subscription_session_values(checkout, customer))


def subscription_session_values(checkout: SubscriptionCheckout, customer: Customer) -> dict[str, Any]:
    """Return the parameters of a session that starts a plan."""
    metadata = {stripe_data.CHECKOUT_ID: str(checkout.pk), stripe_data.USER_ID: str(checkout.user_id)}
    return {
        "mode": "subscription",
        "line_items": [{"price": checkout.price_id, "quantity": 1}],
        "metadata": metadata,
        "subscription_data": {"metadata": metadata},
        **common_session_values(checkout, customer),
    }


def end_open_checkouts(
    *, user: User, model: type[Purchase] | type[SubscriptionCheckout], now: datetime, kept_key: str | None = None
) -> None:
    """Expire the user's open checkouts; one that was paid meanwhile is settled instead.

    That of `kept_key` stays: another request with this key has opened it meanwhile, and has answered with it.
    """
    others = model.objects.filter(user=user, state=CheckoutState.OPEN, session_id__isnull=False).order_by(
        "created_at", "pk"
    )
    if kept_key is not None:
        others = others.exclude(idempotency_key=kept_key)
    for other in others:
        session_id = str(other.session_id)
        try:
            gateway.expire_checkout_session(session_id)
        except gateway.StripeRefused:
            log.info("Checkout could not be expired", session_id=session_id, user_id=str(user.pk))
        settle_session(session_id=session_id, now=now)


def require_not_subscribed(*, user: User, customer: Customer, now: datetime) -> None:
    """:raises AlreadySubscribed: by Stripe's books, for webhooks may have been lost that begin or end one in ours."""
    current = selectors.current_subscription(user_id=user.pk)
    if current is not None:
        sync_subscription(subscription_id=current.pk, now=now)
        current = selectors.current_subscription(user_id=user.pk)
    if current is None:
        alive = [
            found for found in gateway.list_subscriptions(customer.pk) if not stripe_data.subscription_is_ended(found)
        ]
        for found in alive:
            sync_subscription(subscription_id=found["id"], now=now)
        current = selectors.current_subscription(user_id=user.pk)
    if current is not None:
        raise AlreadySubscribed(
            "You already have a subscription. Use POST /api/payment/subscription/change-plan to change it.",
            subscription_id=current.pk,
        )


# --- What both share ----------------------------------------------------------------------------------------------


def common_session_values(checkout: Checkout, customer: Customer) -> dict[str, Any]:
    """Stripe leads back to our own pages only; they lead on to the app's addresses."""
    return {
        "customer": customer.pk,
        "client_reference_id": str(checkout.user_id),
        "allow_promotion_codes": True,
        "success_url": f"{settings.SITE_URL}{reverse('pay-return')}?session_id={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{settings.SITE_URL}{reverse('pay-cancel')}?checkout={checkout.pk}",
    }


def open_session(checkout: Purchase | SubscriptionCheckout, values: dict[str, Any]) -> OpenedCheckout:
    """Open the session of a row, or answer with the one that another request with the same key has opened meanwhile.

    When Stripe refuses, the row gives up its key, so that the key may succeed later.
    """
    if checkout.session_id:
        return OpenedCheckout(checkout.session_id, checkout.session_url, is_replay=True)
    try:
        # The row's id as Stripe's key: two requests that found the same row get the same session.
        session = gateway.create_checkout_session(values=values, idempotency_key=f"checkout:{checkout.pk}")
    except DomainError:
        type(checkout).objects.filter(pk=checkout.pk, session_id__isnull=True).update(
            state=CheckoutState.FAILED, idempotency_key=None
        )
        raise
    session_id, session_url = session["id"], session["url"] or ""
    # Of several, the one that writes the session down has opened it; the others say again what it says.
    unopened = type(checkout).objects.filter(
        pk=checkout.pk, state__in=(CheckoutState.OPEN, CheckoutState.FAILED), session_id=None
    )
    is_first = unopened.update(state=CheckoutState.OPEN, session_id=session_id, session_url=session_url) == 1
    if is_first:
        log.info("Checkout opened", user_id=str(checkout.user_id), session_id=session_id, checkout_id=str(checkout.pk))
    return OpenedCheckout(session_id, session_url, is_replay=not is_first)


def require_not_frozen(user: User) -> None:
    """:raises credits_services.AccountFrozen: a dispute is open, or staff froze the account."""
    if credits_selectors.is_frozen(account_id=user.pk):
        raise credits_services.AccountFrozen("Your account is frozen. Please contact support.")
