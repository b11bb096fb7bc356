"""What staff do to what was bought. Who may, and that it is written down, is seen to here, before Stripe is asked."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import selectors
from billing.models import CheckoutState, PaidInvoice, Purchase, Refund, Subscription
from billing.services.cancellations import cancel_subscription, reactivate_subscription
from billing.services.exclusive import find_own
from billing.services.gifts import Payment, list_gifts, payer_id
from billing.services.money_back import list_causes, settle_money_back, shares
from billing.services.reconcile import Progress, reconcile
from billing.services.refunds import checked_amount, find_intent, request_refund, send_refund
from billing.services.settlement import give_purchase, log_purchase, restore_grants, settle_session
from credits import selectors as credits_selectors
from smartspec.errors import DomainError
from smartspec.users import services as users_services
from smartspec.users.models import User
from smartspec.users.services import Staff

REFUND = "billing.refund_purchase"
REFUND_KEEPING = "billing.refund_keeping_credits"
ACCEPT = "billing.accept_purchase"
RESEND = "billing.resend_fulfilment"
SYNC = "billing.sync_customer"
MANAGE = "billing.manage_subscription"

ZERO = Decimal(0)


class UnknownPurchase(DomainError):
    """There is no such purchase."""

    code, status, title = "not_found", 404, "Not Found"


class UnknownInvoice(DomainError):
    """There is no such paid invoice."""

    code, status, title = "not_found", 404, "Not Found"


class NeverOpened(DomainError):
    """No checkout was opened at Stripe for this purchase, so nothing can have been paid."""

    code, status, title = "never_opened", 409, "Never opened"


class NotWaiting(DomainError):
    """The purchase waits for nobody's decision: it is fulfilled, not paid, or refunded."""

    code, status, title = "not_waiting", 409, "Not waiting"


@dataclass(frozen=True)
class RefundPreview:
    """What a refund would do: credits `taken` in all, of which `debt` are not there."""

    amount_cents: int
    currency: str
    taken: Decimal
    debt: Decimal


def find_purchase(purchase_id: str | UUID) -> Purchase:
    """Return a purchase.

    :raises UnknownPurchase: there is none.
    """
    try:
        found = Purchase.objects.select_related("user", "package").filter(pk=UUID(str(purchase_id))).first()
    except ValueError:
        found = None
    if found is None:
        raise UnknownPurchase("There is no such purchase.")
    return found


def find_invoice(invoice_id: str) -> PaidInvoice:
    """Return a paid invoice of a plan.

    :raises UnknownInvoice: there is none.
    """
    found = PaidInvoice.objects.select_related("subscription__user").filter(pk=invoice_id).first()
    if found is None:
        raise UnknownInvoice("There is no such paid invoice.")
    return found


# --- Refunds ------------------------------------------------------------------------------------------------------


def preview_refund(*, payment: Payment, amount_cents: int | None, keep_credits: bool, now: datetime) -> RefundPreview:
    """Return what refunding a purchase or a plan's invoice would do now. Nothing is changed.

    :raises NotRefundable: not paid, or less is left than was asked for.
    """
    amount_cents = checked_amount(payment, amount_cents)
    asked = Refund(
        amount_cents=amount_cents,
        status=Refund.Status.PENDING,
        keep_credits=keep_credits,
        created_at=now,
    )
    causes = [*list_causes(payment), asked]
    account_id, taken = payer_id(payment), ZERO
    for gift in list_gifts(payment):
        share = shares(gift.credits, payment.paid_cents or 0, causes)[-1]
        there = credits_selectors.recoverable(account_id=account_id, kind=gift.kind, source=gift.source)
        taken += min(share, there)
    available = credits_selectors.get_balance(account_id=account_id, now=now).available
    return RefundPreview(amount_cents, payment.currency, taken, max(taken - available, ZERO))


def refund_by_staff(
    *, staff: Staff, purchase_id: UUID, amount_cents: int | None, keep_credits: bool, key: str, now: datetime
) -> Refund:
    """This will refund a purchase, all that is left when `amount_cents` is None, once per `key`.

    :raises smartspec.users.services.NotPermitted: the role does not allow it, or not that the credits are kept.
    :raises UnknownPurchase: there is none.
    :raises IdempotencyConflict: the key was used for another refund.
    :raises NotRefundable: not paid, or less is left than was asked for, or Stripe does not do it.
    :raises gateway.StripeUnavailable: Stripe cannot be reached; the request stays, and reconcile sends it.
    """
    require_refunder(staff, keep_credits)
    return refund_payment(staff, find_purchase(purchase_id), amount_cents, keep_credits, key, now)


def refund_invoice_by_staff(
    *, staff: Staff, invoice_id: str, amount_cents: int | None, keep_credits: bool, key: str, now: datetime
) -> Refund:
    """This will refund a paid invoice of a plan, all that is left when `amount_cents` is None, once per `key`. The
    subscription goes on: it is cancelled by itself.

    :raises smartspec.users.services.NotPermitted: the role does not allow it, or not that the credits are kept.
    :raises UnknownInvoice: there is none.
    :raises IdempotencyConflict: the key was used for another refund.
    :raises NotRefundable: not paid by one payment, or less is left than was asked for, or Stripe does not do it.
    :raises gateway.StripeUnavailable: Stripe cannot be reached; a request that was written down stays, and reconcile
        sends it.
    """
    require_refunder(staff, keep_credits)
    return refund_payment(staff, find_invoice(invoice_id), amount_cents, keep_credits, key, now)


def require_refunder(staff: Staff, keep_credits: bool) -> None:
    users_services.require_right(staff, REFUND)
    if keep_credits:
        users_services.require_right(staff, REFUND_KEEPING)


def refund_payment(
    staff: Staff, payment: Payment, amount_cents: int | None, keep_credits: bool, key: str, now: datetime
) -> Refund:
    payer = payment.user if isinstance(payment, Purchase) else payment.subscription.user
    kind = "purchase" if isinstance(payment, Purchase) else "invoice"
    users_services.forbid_own(staff, payer)
    payment_intent_id = find_intent(payment)
    with transaction.atomic():
        refund, is_new = request_refund(
            payment=payment,
            payment_intent_id=payment_intent_id,
            amount_cents=amount_cents,
            keep_credits=keep_credits,
            reason=staff.reason,
            actor=staff.user.email,
            now=now,
            idempotency_key=key,
        )
        if is_new:
            users_services.record_action(
                staff=staff,
                action=f"refund_{kind}",
                whom=payer,
                reference_type=kind,
                reference_id=str(payment.pk),
                before={"paid_cents": payment.paid_cents, "balance": balance_text(payer.pk, now)},
                after={"refund_cents": refund.amount_cents, "keep_credits": keep_credits},
                now=now,
            )
    return send_refund(refund=refund, now=now)


# --- Purchases that were paid otherwise than quoted ---------------------------------------------------------------


def require_waiting(purchase: Purchase) -> None:
    """:raises NotWaiting: nobody has to decide about the purchase."""
    if not selectors.needs_review(purchase):
        raise NotWaiting(f"This purchase waits for nobody's decision: it is {purchase.get_state_display()}.")


def accept_by_staff(*, staff: Staff, purchase_id: UUID, now: datetime) -> Purchase:
    """This will give what a purchase was quoted to give although it was paid otherwise, once. What went back of its
    price before takes its share.

    :raises smartspec.users.services.NotPermitted: the role does not allow it.
    :raises UnknownPurchase: there is none.
    :raises NotWaiting: it is fulfilled, not paid, or refunded.
    """
    users_services.require_right(staff, ACCEPT)
    users_services.forbid_own(staff, find_purchase(purchase_id).user)
    with transaction.atomic():
        locked = Purchase.objects.select_for_update(of=("self",)).select_related("user", "package")
        purchase = locked.get(pk=purchase_id)
        require_waiting(purchase)
        before = {"state": purchase.state, "balance": balance_text(purchase.user_id, now)}
        give_purchase(purchase, now)
        purchase.save()
        settle_money_back(payment=purchase, now=now)
        users_services.record_action(
            staff=staff,
            action="accept_purchase",
            whom=purchase.user,
            reference_type="purchase",
            reference_id=str(purchase.pk),
            before={**before, "differs": purchase.review_reason},
            after={"state": purchase.state, "balance": balance_text(purchase.user_id, now)},
            now=now,
        )
    log_purchase(purchase)
    return purchase


# --- Fulfilment, and what Stripe knows ----------------------------------------------------------------------------


def resend_fulfilment(*, staff: Staff, purchase_id: UUID, now: datetime) -> Purchase:
    """This will look at what became of a purchase's payment and give what it should have given: once, however often.

    :raises smartspec.users.services.NotPermitted: the role does not allow it.
    :raises UnknownPurchase: there is none.
    :raises NeverOpened: it never got as far as Stripe.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    users_services.require_right(staff, RESEND)
    purchase = find_purchase(purchase_id)
    if not purchase.session_id:
        raise NeverOpened("No checkout was opened at Stripe for this purchase.")
    before = {"state": purchase.state, "balance": balance_text(purchase.user_id, now)}
    settled = settle_session(session_id=purchase.session_id, now=now)
    with transaction.atomic():
        if isinstance(settled, Purchase) and settled.state == CheckoutState.FULFILLED:
            restore_grants(purchase=settled, now=now)
        purchase.refresh_from_db()
        users_services.record_action(
            staff=staff,
            action="resend_fulfilment",
            whom=purchase.user,
            reference_type="purchase",
            reference_id=str(purchase.pk),
            before=before,
            after={"state": purchase.state, "balance": balance_text(purchase.user_id, now)},
            now=now,
        )
    return purchase


def sync_user_from_stripe(*, staff: Staff, user: User, now: datetime) -> Progress:
    """This will compare everything of one user with Stripe and put right what differs.

    :raises smartspec.users.services.NotPermitted: the role does not allow it.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    users_services.require_right(staff, SYNC)
    before = {"balance": balance_text(user.pk, now)}
    with written_down(staff, "sync_from_stripe", user, before=before, after={"books": "as at Stripe"}, now=now):
        return reconcile(now=now, user_id=user.pk, is_repair=True)


# --- Subscriptions ------------------------------------------------------------------------------------------------


def cancel_by_staff(
    *, staff: Staff, user: User, subscription_id: str, at_period_end: bool, now: datetime
) -> Subscription:
    """This will end a user's subscription, at the end of its paid period or now.

    :raises smartspec.users.services.NotPermitted: the role does not allow it.
    :raises SubscriptionNotFound, SubscriptionEnded, gateway.StripeUnavailable: as `cancel_subscription`.
    """
    users_services.require_right(staff, MANAGE)
    before = describe(find_own(user, subscription_id))
    after = {"ends": "at the end of the period" if at_period_end else "now"}
    with written_down(staff, "cancel_subscription", user, subscription_id, before=before, after=after, now=now):
        return cancel_subscription(user=user, subscription_id=subscription_id, at_period_end=at_period_end, now=now)


def reactivate_by_staff(*, staff: Staff, user: User, subscription_id: str, now: datetime) -> Subscription:
    """This will undo a cancellation at the end of the period.

    :raises smartspec.users.services.NotPermitted: the role does not allow it.
    :raises SubscriptionNotFound, SubscriptionEnded, gateway.StripeUnavailable: as `reactivate_subscription`.
    """
    users_services.require_right(staff, MANAGE)
    before = describe(find_own(user, subscription_id))
    with written_down(
        staff, "reactivate_subscription", user, subscription_id, before=before, after={"ends": "never"}, now=now
    ):
        return reactivate_subscription(user=user, subscription_id=subscription_id, now=now)


# --- The record ---------------------------------------------------------------------------------------------------


@contextmanager
def written_down(
    staff: Staff,
    action: str,
    user: User,
    subscription_id: str = "",
    *,
    before: Mapping[str, Any],
    now: datetime,
    after: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Write down what is asked of Stripe before it is asked, so that a crash leaves a trace; and a refusal after it."""

    def write(action: str, before: Mapping[str, Any], after: Mapping[str, Any] | None) -> None:
        users_services.record_action(
            staff=staff,
            action=action,
            whom=user,
            reference_type="subscription" if subscription_id else "",
            reference_id=subscription_id,
            before=before,
            after=after,
            now=now,
        )

    write(action, before, after)
    try:
        yield
    except DomainError as refusal:
        write(f"{action}_refused", {}, {"code": refusal.code})
        raise


def describe(subscription: Subscription) -> dict[str, Any]:
    return {
        "plan": subscription.plan,
        "status": subscription.status,
        "cancel_at_period_end": selectors.ends_with_period(subscription),
    }


def balance_text(user_id: UUID, now: datetime) -> str:
    return str(credits_selectors.get_balance(account_id=user_id, now=now).balance)
