"""Changing a plan: upwards now, and what would owe money back at the end of the paid period."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from billing import gateway, selectors, stripe_data
from billing.models import Interval, PlanChange, Subscription
from billing.services.cancellations import end_with_period, go_on
from billing.services.exclusive import changing, find_current, resync
from billing.services.invoices import record_invoice
from billing.services.keys import claim_key, find_by_key, hash_request, key_back_on_refusal
from billing.services.scheduling import displace, giving_way, put_back_if_possible, schedule
from billing.services.subscriptions import UnknownPrice, is_entitled, require_plan_of_price
from billing.services.unowed import PROCESSING, open_payment_status
from billing.services.upgrades import preview_upgrade_credits
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.users.models import User

log = get_logger(__name__)

FREE = "free"
# From less to more; a step down in either waits for the end of the paid period.
PLAN_ORDER = (FREE, *selectors.PAID_PLANS)
INTERVAL_ORDER = (Interval.MONTHLY, Interval.YEARLY)

YEAR = timedelta(days=366)

DONE, SCHEDULED, REQUIRES_ACTION = "done", "scheduled", "requires_action"
WAITING = (REQUIRES_ACTION, PROCESSING)  # for the customer, or for their bank


class SubscriptionNotActive(DomainError):
    """A payment of the subscription is open; it cannot be changed until that is settled."""

    code = "subscription_not_active"
    status = 409
    title = "Subscription not active"


class NoChange(DomainError):
    """The subscription has this plan and interval already."""

    code = "no_change"
    status = 409
    title = "No change"


class ChangeInProgress(DomainError):
    """An earlier change waits for the customer (3-D Secure) or for their bank (a debit)."""

    code = "change_in_progress"
    status = 409
    title = "Change in progress"


class ChangeNotAvailable(DomainError):
    """Stripe does not schedule this change, or only support can make it; nothing has changed."""

    code = "change_not_available"
    status = 422
    title = "Change not available"


@dataclass(frozen=True)
class PlanChangeAnswer:
    """What a change did, or with `preview` would do. `amount_due` is in the currency's minor unit."""

    subscription_id: str
    status: str
    action_url: str | None
    effective_at: datetime
    amount_due: int
    currency: str
    credits_granted: Decimal
    is_replay: bool = False


# --- Change -------------------------------------------------------------------------------------------------------


def change_plan(
    *,
    user: User,
    subscription_id: str,
    new_plan: str,
    new_interval: str | None,
    preview: bool,
    now: datetime,
    idempotency_key: str | None = None,
) -> PlanChangeAnswer:
    """This will change the plan: upwards now, invoiced at once; downwards when the period ends; `free` cancels then.

    :raises SubscriptionNotFound: unknown, or somebody else's.
    :raises SubscriptionEnded: it has ended.
    :raises SubscriptionNotActive: a payment is open.
    :raises NoChange: it has this plan and interval.
    :raises ChangeNotAvailable: its price stands for no plan, or Stripe does not schedule the change.
    :raises ChangeUnderWay: it is being changed by another request.
    :raises ChangeInProgress: an earlier upgrade still waits for the customer or their bank.
    :raises IdempotencyConflict: the key was used with another body.
    :raises gateway.CardRefused: the card was refused; the plan is as it was.
    """
    if preview:
        subscription = find_current(user, subscription_id, now)
        interval = new_interval or subscription.interval
        require_change(subscription, new_plan, interval)
        return preview_change(subscription, new_plan, interval, now)
    request_hash = hash_request([subscription_id, new_plan, new_interval, preview])
    answered = find_by_key(PlanChange, user, idempotency_key, request_hash)
    if answered is not None and answered.answer is not None:
        return read_answer(answered)
    with changing(user=user, subscription_id=subscription_id, now=now) as subscription:
        change = find_by_key(PlanChange, user, idempotency_key, request_hash)
        if change is not None and change.answer is not None:
            return read_answer(change)
        interval = new_interval or subscription.interval
        is_again = change is not None
        if change is None:
            require_change(subscription, new_plan, interval)
            change = claim_key(
                PlanChange(
                    user=user,
                    subscription=subscription,
                    plan=new_plan,
                    interval=interval,
                    idempotency_key=idempotency_key,
                    request_hash=request_hash,
                    created_at=now,
                )
            )
        return carry_out_once(change, subscription, now, is_again=is_again)


def carry_out_once(
    change: PlanChange, subscription: Subscription, now: datetime, *, is_again: bool
) -> PlanChangeAnswer:
    """Carry a claimed change out, or on, and keep the answer for its key; a refusal gives the key back."""
    with key_back_on_refusal(change):
        answer = carry_out(change, subscription, now, is_again=is_again)
    PlanChange.objects.filter(pk=change.pk).update(answer=write_answer(answer))
    log.info(
        "Plan change", user_id=str(change.user_id), subscription_id=subscription.pk, plan=change.plan,
        interval=change.interval, status=answer.status,
    )  # fmt: skip
    return answer


def require_change(subscription: Subscription, new_plan: str, interval: str) -> None:
    """:raises NoChange: nothing would change. :raises SubscriptionNotActive: a payment is open.
    :raises ChangeNotAvailable: its price, agreed with support, stands for no plan."""
    if not is_entitled(subscription) or subscription.status == "past_due":
        raise SubscriptionNotActive("A payment of this subscription is open. Please settle it first.")
    if (new_plan, interval) == (subscription.plan, subscription.interval):
        raise NoChange("You already have this plan and interval.")
    ends_at = selectors.planned_end(subscription)
    if new_plan == FREE and ends_at and ends_at <= subscription.current_period_end:
        raise NoChange("Your subscription already ends with the paid period.")
    if new_plan != FREE:
        require_known_price(subscription)


def require_known_price(subscription: Subscription) -> None:
    """:raises ChangeNotAvailable: nobody can say what a change from its price, agreed with support, gives."""
    try:
        require_plan_of_price(subscription.price_id)
    except UnknownPrice as error:
        raise ChangeNotAvailable(
            "Your price was agreed with support. Please contact them to change your plan."
        ) from error


def takes_effect_now(subscription: Subscription, new_plan: str, interval: str) -> bool:
    """Tell whether nothing would be owed back: no step down, neither in plan nor in interval."""
    return PLAN_ORDER.index(new_plan) >= PLAN_ORDER.index(subscription.plan) and INTERVAL_ORDER.index(
        Interval(interval)
    ) >= INTERVAL_ORDER.index(Interval(subscription.interval))


def carry_out(change: PlanChange, subscription: Subscription, now: datetime, *, is_again: bool) -> PlanChangeAnswer:
    if change.plan == FREE:
        return scheduled_answer(end_with_period(subscription, now))
    if takes_effect_now(subscription, change.plan, change.interval):
        return upgrade(change, subscription, now, is_again=is_again)
    return schedule_change(change, subscription, now)


def upgrade(change: PlanChange, subscription: Subscription, now: datetime, *, is_again: bool) -> PlanChangeAnswer:
    """Change now and invoice at once. Until that invoice is paid Stripe keeps the old plan (a pending update): while it
    waits for the customer, or for what their bank says of a debit; the invoice's page tells which. `is_again`: an
    earlier try was not answered, and may have been made.

    :raises gateway.CardRefused: refused; the invoice is void and the plan as it was.
    :raises ChangeInProgress: an earlier upgrade still waits for the customer or their bank.
    """
    waiting = make_way(subscription, change if is_again else None)
    if waiting is not None:
        return waiting_answer(subscription, waiting, now)
    is_made = (subscription.plan, subscription.interval) == (change.plan, change.interval)
    early_end = early_end_of(subscription, change.interval)
    try:
        if not is_made:
            displace(subscription, ends_at=early_end)
        if early_end:
            gateway.update_subscription(subscription.pk, {"cancel_at_period_end": True})
        updated = gateway.update_subscription(
            subscription.pk,
            {
                "items": items_on(subscription, change.plan, change.interval),
                # The moment that counts is Stripe's: a customer on a test clock lives at another time than we do.
                "proration_behavior": "always_invoice",
                "payment_behavior": "pending_if_incomplete",
            },
            idempotency_key=f"change:{change.pk}",
        )
    except DomainError:
        put_back_if_possible(subscription, now)
        raise
    invoice = gateway.retrieve_invoice(stripe_data.object_id(updated["latest_invoice"]))
    if stripe_data.invoice_is_paid(invoice):
        recorded = record_invoice(invoice_id=invoice["id"], now=now)
        credits_granted = recorded.upgrade_credits + recorded.allowance_credits if recorded else Decimal(0)
        return PlanChangeAnswer(
            subscription.pk, DONE, None, now, invoice["amount_due"], invoice["currency"], credits_granted
        )
    if open_payment_status(invoice) in WAITING:
        return waiting_answer(subscription, invoice, now)
    if invoice["status"] == "open":  # or an earlier try of this change was cut off, and has been made way for
        gateway.void_invoice(invoice["id"])  # which drops the pending update
    put_back_if_possible(subscription, now)
    raise gateway.CardRefused("Your card was declined. Your plan has not changed.")


def early_end_of(subscription: Subscription, interval: str) -> datetime | None:
    """Return when a subscription is to end, if a period of another interval, begun now, would last longer.

    An end that stands as a moment alone, as Stripe's portal sets it, stays where it is; as the flag it moves with the
    period, so that what is paid for is had.
    """
    ends_at = None if subscription.cancel_at_period_end else subscription.cancel_at
    if ends_at is None or interval == subscription.interval or ends_at >= subscription.current_period_end + YEAR:
        return None
    return ends_at


def make_way(subscription: Subscription, change: PlanChange | None) -> dict[str, Any] | None:
    """Void the invoice of an earlier upgrade that was refused, where we were cut off before we did: Stripe would keep
    that upgrade pending for 23 hours, with nothing to confirm. Return that of `change` itself, if it waits.

    :raises ChangeInProgress: another waits for the customer or their bank.
    """
    current = gateway.retrieve_subscription(subscription.pk)
    pending_price_id = stripe_data.subscription_pending_price_id(current)
    if not pending_price_id:
        return None
    invoice = gateway.retrieve_invoice(stripe_data.object_id(current["latest_invoice"]))
    is_its = (invoice["status"], invoice["billing_reason"]) == ("open", "subscription_update")
    if not is_its or open_payment_status(invoice) in WAITING:
        if is_its and change and pending_price_id == price_id_of(change):
            return invoice
        raise ChangeInProgress("An earlier change still waits for your confirmation, or for your bank.")
    gateway.void_invoice(invoice["id"])
    return None


def schedule_change(change: PlanChange, subscription: Subscription, now: datetime) -> PlanChangeAnswer:
    """Let a schedule make the change when the paid period ends; a cancellation or earlier schedule gives way to it.

    :raises ChangeNotAvailable: Stripe does not do it; the subscription is as it was.
    """
    ends_at = selectors.planned_end(subscription)
    try:
        with giving_way(subscription, now, ends_at=ends_at):
            if ends_at:
                go_on(subscription)
            schedule(subscription, plan=change.plan, interval=change.interval)
    except gateway.StripeRefused as error:
        log.warning(
            "Plan change could not be scheduled", user_id=str(change.user_id), subscription_id=subscription.pk,
            plan=change.plan, interval=change.interval, reason=str(error.__cause__),
        )  # fmt: skip
        raise ChangeNotAvailable(
            "This change cannot be scheduled here. Cancel at the end of the paid period and subscribe again then."
        ) from error
    return scheduled_answer(resync(subscription, now))


def preview_change(subscription: Subscription, new_plan: str, interval: str, now: datetime) -> PlanChangeAnswer:
    """Return what the change would do, by Stripe's own preview; nothing changes."""
    if new_plan == FREE or not takes_effect_now(subscription, new_plan, interval):
        return scheduled_answer(subscription)
    preview = gateway.preview_invoice(
        {
            "customer": subscription.customer_id,
            "subscription": subscription.pk,
            "subscription_details": {
                "items": items_on(subscription, new_plan, interval),
                "proration_behavior": "always_invoice",
            },
        }
    )
    changed_at = stripe_data.preview_prorated_at(preview) or now.replace(microsecond=0)
    return PlanChangeAnswer(
        subscription.pk,
        DONE,
        None,
        now,
        preview["amount_due"],
        preview["currency"],
        preview_upgrade_credits(subscription=subscription, new_plan=new_plan, changed_at=changed_at),
    )


# --- What they share ----------------------------------------------------------------------------------------------


def items_on(subscription: Subscription, plan: str, interval: str) -> list[dict[str, Any]]:
    """Return the one item of a subscription as it is on another price; a plan is had once."""
    price_id = selectors.price_id_of_plan(plan=plan, interval=interval)
    return [{"id": subscription.item_id, "price": price_id, "quantity": 1}]


def price_id_of(change: PlanChange) -> str:
    return selectors.price_id_of_plan(plan=change.plan, interval=change.interval)


def waiting_answer(subscription: Subscription, invoice: dict[str, Any], now: datetime) -> PlanChangeAnswer:
    return PlanChangeAnswer(
        subscription_id=subscription.pk,
        status=REQUIRES_ACTION,
        action_url=invoice["hosted_invoice_url"],
        effective_at=now,
        amount_due=invoice["amount_due"],
        currency=invoice["currency"],
        credits_granted=Decimal(0),
    )


def scheduled_answer(subscription: Subscription) -> PlanChangeAnswer:
    return PlanChangeAnswer(
        subscription_id=subscription.pk,
        status=SCHEDULED,
        action_url=None,
        effective_at=subscription.current_period_end,
        amount_due=0,
        currency=settings.STRIPE_CURRENCY,
        credits_granted=Decimal(0),
    )


def write_answer(answer: PlanChangeAnswer) -> dict[str, Any]:
    return asdict(answer) | {
        "effective_at": answer.effective_at.isoformat(),
        "credits_granted": str(answer.credits_granted),
    }


def read_answer(change: PlanChange) -> PlanChangeAnswer:
    stored = dict(change.answer or {})
    stored["effective_at"] = datetime.fromisoformat(stored["effective_at"])
    stored["credits_granted"] = Decimal(stored["credits_granted"])
    stored["is_replay"] = True
    return PlanChangeAnswer(**stored)
