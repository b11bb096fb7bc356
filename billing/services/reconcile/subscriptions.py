"""Subscriptions: what they are, the plan that follows from them, and the month's allowance."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from billing import gateway, selectors, stripe_data
from billing.models import Customer, Subscription
from billing.services.customers import find_user
from billing.services.reconcile.comparing import (
    Checks,
    Difference,
    Finding,
    Window,
    compare,
    first_then,
)
from billing.services.reconcile.invoices import ALLOWANCE_LATE, BANKS_ANSWER_WITHIN, compare_invoice
from billing.services.scheduling import has_displaced, put_back_change
from billing.services.subscriptions import (
    apply_plan_of,
    fetch_pending_change,
    is_entitled,
    require_plan_of_price,
    row_of,
    sync_subscription,
)
from credits import selectors as credits_selectors
from smartspec.paging import in_pages


def check_subscriptions(window: Window, now: datetime) -> Checks:
    """Stripe's new subscriptions, and every one of ours that is not ended, whatever its age, with its invoices."""
    for fetched in window.list_all(gateway.list_all_subscriptions):
        yield compare_subscription(fetched["id"], fetched, now)
    alive = window.older(Subscription.objects.filter(ended_at__isnull=True))
    for subscription in in_pages(alive):
        yield compare_subscription(subscription.pk, None, now)
        for invoice in list_earlier_invoices(subscription, window):
            yield compare_invoice(invoice, now)
    for subscription in in_pages(list_lately_ended(window)):
        for invoice in list_earlier_invoices(subscription, window):
            yield compare_invoice(invoice, now)


def list_lately_ended(window: Window) -> Any:
    """Return those of ours that ended lately: a bank may since have paid an invoice of the time before the window."""
    since = window.since and window.since - BANKS_ANSWER_WITHIN
    return window.older(Subscription.objects.filter(ended_at__gte=since)) if since else Subscription.objects.none()


def list_earlier_invoices(subscription: Subscription, window: Window) -> Iterator[dict[str, Any]]:
    """Yield the paid invoices of a subscription from before the window; none of one that Stripe does not know."""
    earlier = {"created": {"lt": int(window.since.timestamp())}} if window.since else {}
    try:
        yield from gateway.list_all_invoices({"subscription": subscription.pk, "status": "paid", **earlier})
    except gateway.StripeObjectMissing:
        return


def compare_subscription(subscription_id: str, fetched: dict[str, Any] | None, now: datetime) -> Finding | None:
    read = first_then(fetched, lambda: gateway.retrieve_subscription(subscription_id))

    def look() -> Difference | None:
        try:
            return look_at_subscription(read(), now)
        except gateway.StripeObjectMissing:
            return Difference("subscription_state_mismatch", subscription_id, "", "Unknown at Stripe.")

    def repair() -> None:
        subscription = sync_subscription(subscription_id=subscription_id, now=now)
        if subscription is not None:
            apply_plan_of(customer_id=subscription.customer_id, now=now)
            put_back_change(subscription_id=subscription.pk, now=now)

    return compare(subscription_id, look, repair)


def look_at_subscription(fetched: dict[str, Any], now: datetime) -> Difference | None:
    known = Subscription.objects.filter(pk=fetched["id"]).select_related("customer").first()
    customer = known.customer if known else selectors.find_customer(stripe_data.object_id(fetched["customer"]))
    if customer is None:
        return look_at_unknown_subscription(fetched)

    def differ(detail: str) -> Difference:
        return Difference("subscription_state_mismatch", fetched["id"], str(customer.user_id), detail)

    if known is None:
        return None if fetched["status"] == "incomplete_expired" else differ(f"{fetched['status']}, and unknown here.")
    if not stripe_data.subscription_is_ended(fetched):
        require_known_price(fetched)
    expected = row_of(customer, known, fetched, fetch_pending_change(fetched))
    other = [name for name, value in expected.items() if getattr(known, name) != value]
    if other:
        return differ(f"Other at Stripe: {', '.join(other)}.")
    if has_displaced(known) and known.ended_at is None and not fetched.get("pending_update"):
        change = f"the change to {known.displaced_plan}, {known.displaced_interval}" if known.displaced_plan else ""
        end = f"the end on {known.displaced_end_at:%Y-%m-%d}" if known.displaced_end_at else ""
        detail = f"No longer planned: {' and '.join(filter(None, (change, end)))}."
        return Difference("scheduled_change_lost", fetched["id"], str(customer.user_id), detail)
    if known.ended_at is None and (quantity := stripe_data.subscription_quantity(fetched)) != 1:
        detail = f"{quantity} of a plan are paid for; an account has one, and its credits once."
        return Difference("plan_quantity", fetched["id"], str(customer.user_id), detail)
    if known.ended_at is None and not known.is_surplus:
        state = credits_selectors.get_plan_state(account_id=customer.user_id, now=now)
        plan = known.plan if is_entitled(known) else "free"
        paid_until = known.paid_until if is_entitled(known) else None
        if (state.plan, state.source, state.paid_until) != (plan, known.pk, paid_until):
            return differ(f"The account is on {state.plan} of {state.source}.")
        is_late = now >= state.period_start + ALLOWANCE_LATE
        if (
            is_late
            and is_paid_for(known, state.period_start)
            and not credits_selectors.allowance_given(
                account_id=customer.user_id, source=known.pk, period_start=state.period_start
            )
        ):
            detail = f"No allowance for the month from {state.period_start:%Y-%m-%d}."
            return Difference("paid_not_granted", fetched["id"], str(customer.user_id), detail)
    elif selectors.current_subscription(user_id=customer.user_id) is None:
        state = credits_selectors.get_plan_state(account_id=customer.user_id, now=now)
        if state.source != "free":
            return differ(f"Ended, and the account is on {state.plan} of {state.source}.")
    if known.ended_at is None:
        require_known_next_price(fetched)
    return None


def require_known_price(fetched: dict[str, Any]) -> None:
    """:raises UnknownPrice: nobody can say what is given for the price that is paid."""
    item = stripe_data.subscription_item(fetched)
    require_plan_of_price(item.price_id, item.price)


def require_known_next_price(fetched: dict[str, Any]) -> None:
    """:raises UnknownPrice: nobody can say what will be given for the price that a schedule leads to."""
    schedule_id = stripe_data.object_id(fetched.get("schedule"))
    phase = stripe_data.schedule_next_phase(gateway.retrieve_schedule(schedule_id)) if schedule_id else None
    if phase is not None:
        require_plan_of_price(phase[0])


def look_at_unknown_subscription(fetched: dict[str, Any]) -> Difference | None:
    """A plan of ours, charged every month to a customer who is nobody's here: for a person, until cancelled."""
    named = stripe_data.metadata(fetched)
    if stripe_data.CHECKOUT_ID not in named or stripe_data.subscription_is_ended(fetched):
        return None
    user_id = named.get(stripe_data.USER_ID, "")
    user = find_user(user_id)
    charged = f"{fetched['status']}, charged to {stripe_data.object_id(fetched['customer'])}"
    if user is None:
        return Difference("unknown_user", fetched["id"], user_id, f"{charged}, whose user is not known here.")
    if Customer.objects.filter(user=user).exists():
        return Difference("second_customer", fetched["id"], user_id, f"{charged}, beside the customer in use.")
    return None  # their customer is still to be linked


def is_paid_for(subscription: Subscription, moment: datetime) -> bool:
    """Tell whether an invoice whose money we have pays for a moment."""
    if not is_entitled(subscription):
        return False
    kept = subscription.paid_invoices.filter(is_returned=False)
    return kept.filter(period_start__lte=moment, period_end__gt=moment).exists()
