"""Keeping our row of a subscription, and the account's plan, equal to what is true at Stripe."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from billing import gateway, selectors, stripe_data
from billing.models import Customer, PaidInvoice, Subscription
from billing.services import letters
from billing.services.customers import find_or_adopt_customer
from billing.services.unowed import PROCESSING, give_back_balance, open_payment_status, refund_in_full
from credits import selectors as credits_selectors
from credits import services as credits_services
from smartspec.errors import DomainError
from smartspec.logs import get_logger

log = get_logger(__name__)

# Only a write that changes something overtakes a sync, and each change is looked at once more. A customer's events run
# one after the other, but polls, the return page and reconcile come beside them, and on a loaded machine a fetch may
# take longer than several of their writes. More than this is no race but a fault.
SYNC_ATTEMPTS = 100
FREE = "free"


class UnknownPrice(DomainError):
    """A subscription of a customer of ours is on a price that stands for no plan; nobody can say what it gives."""

    code = "unknown_price"
    status = 500
    title = "Unknown price"


class SyncContended(DomainError):
    """Others kept writing while we fetched. The queue tries again."""

    code = "sync_contended"
    status = 503
    title = "Busy"


def sync_subscription(*, subscription_id: str, now: datetime) -> Subscription | None:
    """This will make our row, the plan and the tier equal to what the subscription is now, any number of times.

    A second subscription beside one that is not ended is cancelled, refunded in full, and gives nothing.
    Returns None when the subscription is of nobody of ours.

    :raises UnknownPrice: its price stands for no plan, and it has had none.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    customer = find_customer_of(subscription_id, now)
    if customer is None:
        log.warning("Subscription of an unknown customer", subscription_id=subscription_id)
        return None
    is_activated = False
    for _ in range(SYNC_ATTEMPTS):
        version = Customer.objects.values_list("state_version", flat=True).get(pk=customer.pk)
        fetched = gateway.retrieve_subscription(subscription_id)
        is_surplus = find_out_surplus(customer, fetched, now)
        pending = fetch_pending_change(fetched)
        with transaction.atomic():
            locked = Customer.objects.select_for_update(of=("self",)).select_related("user").get(pk=customer.pk)
            if locked.state_version != version:
                continue  # somebody wrote since we looked, perhaps something newer than what we hold
            known = Subscription.objects.filter(pk=subscription_id).first()
            subscription, is_changed = write_subscription(locked, known, fetched, pending, is_surplus=is_surplus)
            apply_plan(locked, now)
            if is_changed:
                is_activated = is_activated or (is_entitled(subscription) and not is_entitled(known))
                locked.state_version += 1
                locked.save(update_fields=["state_version"])
        # What was written may have been fetched before something newer that another found written already, and so left
        # no trace of: a change is final when a further look at Stripe finds nothing to change.
        if not is_changed:
            break
    else:
        raise SyncContended("This subscription is being changed by others. Please try again.")
    if subscription.ended_at is not None:
        void_renewals(subscription)
    if subscription.is_surplus:
        end_surplus(subscription, now)
    elif is_activated:
        log.info(
            "Subscription activated", user_id=str(subscription.user_id), subscription_id=subscription.pk,
            customer_id=customer.pk, plan=subscription.plan, interval=subscription.interval,
        )  # fmt: skip
    return subscription


def sync_scheduled(*, schedule_id: str, now: datetime) -> Subscription | None:
    """This will bring the subscription that a schedule drives, or drove, up to date.

    What a schedule will change can be changed itself, by staff or in the portal, without a word of the subscription.

    :raises UnknownPrice: its price stands for no plan, and it has had none.
    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    schedule = gateway.retrieve_schedule(schedule_id)
    subscription_id = stripe_data.schedule_subscription_id(schedule)
    return sync_subscription(subscription_id=subscription_id, now=now) if subscription_id else None


def find_customer_of(subscription_id: str, now: datetime) -> Customer | None:
    known = Customer.objects.filter(subscriptions=subscription_id).first()
    if known is not None:
        return known
    fetched = gateway.retrieve_subscription(subscription_id)
    return find_or_adopt_customer(customer_id=stripe_data.object_id(fetched["customer"]), now=now)


def fetch_pending_change(fetched: dict[str, Any]) -> tuple[str, str, datetime] | None:
    """Return (plan, interval, moment) of the change that a schedule will make; None when it makes none, or one to a
    price that stands for no plan: that keeps nobody from what they pay for until then."""
    schedule_id = stripe_data.object_id(fetched.get("schedule"))
    if not schedule_id:
        return None
    phase = stripe_data.schedule_next_phase(gateway.retrieve_schedule(schedule_id))
    if phase is None:
        return None
    price_id, starts_at = phase
    try:
        return *require_plan_of_price(price_id), starts_at
    except UnknownPrice:
        return None


def require_plan_of_price(price_id: str, price: dict[str, Any] | None = None) -> tuple[str, str]:
    """Return what a price stands for; one that the settings do not name is fetched, unless the caller has it.

    :raises UnknownPrice: it stands for no plan.
    """
    found = selectors.plan_of_price(price_id=price_id, price=price)
    if found is None and price is None:
        found = selectors.plan_of_price(price_id=price_id, price=gateway.retrieve_price(price_id))
    if found is None:
        log.error("Unknown price", price_id=price_id)
        raise UnknownPrice(
            f"The price {price_id} stands for no plan. Name it in a STRIPE_PRICE_ variable, or in the price's metadata"
            f" at Stripe: {stripe_data.PRICE_PLAN} and {stripe_data.PRICE_INTERVAL}."
        )
    return found


def write_subscription(
    customer: Customer,
    known: Subscription | None,
    fetched: dict[str, Any],
    pending: tuple[str, str, datetime] | None,
    *,
    is_surplus: bool,
) -> tuple[Subscription, bool]:
    """Write the row if anything of it is new, and tell whether it was; the caller holds the customer's lock."""
    fields = row_of(customer, known, fetched, pending) | {"is_surplus": is_surplus}
    if known is not None and all(getattr(known, name) == value for name, value in fields.items()):
        return known, False
    subscription, _ = Subscription.objects.update_or_create(pk=fetched["id"], defaults=fields)
    return subscription, True


def row_of(
    customer: Customer,
    known: Subscription | None,
    fetched: dict[str, Any],
    pending: tuple[str, str, datetime] | None,
) -> dict[str, Any]:
    """Return what our row of a subscription says when it is up to date. One that was put on a price that stands for no
    plan keeps the plan that it had: nobody can say what it gives, but it can be ended.

    :raises UnknownPrice: its price stands for no plan, and it has had none.
    """
    item = stripe_data.subscription_item(fetched)
    try:
        plan, interval = require_plan_of_price(item.price_id, item.price)
    except UnknownPrice:
        if known is None:
            raise
        plan, interval = known.plan, known.interval
    is_changed = known is None or (known.plan, known.interval) != (plan, interval)
    return {
        "customer_id": customer.pk,
        "user_id": customer.user_id,
        "plan": plan,
        "interval": interval,
        "price_id": item.price_id,
        "item_id": item.id,
        "status": fetched["status"],
        "anchor_at": anchor_of(known, fetched),
        "current_period_start": item.current_period_start,
        "current_period_end": item.current_period_end,
        "cancel_at_period_end": bool(fetched["cancel_at_period_end"]),
        "cancel_at": stripe_data.moment(fetched["cancel_at"]),
        "ended_at": stripe_data.subscription_ended_at(fetched),
        "schedule_id": stripe_data.object_id(fetched.get("schedule")),
        "pending_plan": pending[0] if pending else "",
        "pending_interval": pending[1] if pending else "",
        "pending_at": pending[2] if pending else None,
        # An upgrade that was paid for has taken their place for good.
        "displaced_plan": "" if known is None or is_changed else known.displaced_plan,
        "displaced_interval": "" if known is None or is_changed else known.displaced_interval,
        "displaced_end_at": None if known is None or is_changed else known.displaced_end_at,
        "created_at": stripe_data.required_moment(fetched["created"]),
    }


def anchor_of(known: Subscription | None, fetched: dict[str, Any]) -> datetime:
    """Return where the months are counted from. Once something was paid Stripe does not move it, nor the interval."""
    if known is not None and known.paid_invoices.filter(period_start__isnull=False).exists():
        return known.anchor_at
    return stripe_data.subscription_anchor_at(fetched)


def is_entitled(subscription: Subscription | None) -> bool:
    """Tell whether the user has the subscription's plan (which, while past due, gives no new allowance)."""
    return (
        subscription is not None
        and not subscription.is_surplus
        and subscription.status in stripe_data.ENTITLED_STATUSES
    )


def apply_plan(customer: Customer, now: datetime, *, plan: str | None = None) -> None:
    """Tell the ledger which plan the user has, from our rows alone; the caller holds the customer's lock.

    `plan` stands in for the subscription's, while something is given that was paid for under an earlier plan.
    """
    current = selectors.current_subscription(user_id=customer.user_id)
    if current is not None and is_entitled(current):
        credits_services.set_plan(
            account_id=customer.user_id,
            plan=plan or current.plan,
            anchor_at=current.anchor_at,
            paid_from=paid_from(current),
            paid_until=current.paid_until,
            source=current.pk,
            now=now,
        )
    else:
        # Not ended, but unpaid or paused: Free's features, without Free's allowance, which is for `source` "free";
        # and that counts its months from where the account began.
        credits_services.set_plan(
            account_id=customer.user_id,
            plan=FREE,
            anchor_at=customer.user.created_at,
            paid_until=None,
            source=current.pk if current else FREE,
            now=now,
        )


def apply_plan_of(*, customer_id: str, now: datetime) -> None:
    """This will make the ledger's plan state what our rows say, and give the allowances that are due by it."""
    with transaction.atomic():
        customer = Customer.objects.select_for_update(of=("self",)).select_related("user").get(pk=customer_id)
        apply_plan(customer, now)
        credits_services.give_allowances(account_id=customer.user_id, now=now)


def pay_until(subscription: Subscription) -> None:
    """Note until when a subscription is paid: the last period of an invoice whose money we still have."""
    kept = PaidInvoice.objects.filter(subscription=subscription, is_returned=False)
    paid_until = kept.aggregate(end=Max("period_end"))["end"]
    Subscription.objects.filter(pk=subscription.pk).update(paid_until=paid_until)


def paid_from(subscription: Subscription) -> datetime | None:
    """Return where the unbroken time begins that is paid up to `paid_until`: no month of a gap before it is given."""
    kept = PaidInvoice.objects.filter(subscription=subscription, is_returned=False, period_start__isnull=False)
    begin: datetime | None = None
    for start, end in kept.order_by("-period_end", "period_start").values_list("period_start", "period_end"):
        if begin is None or (start and end and start < begin <= end):
            begin = start
    return begin


def anchor_months(invoice: PaidInvoice) -> None:
    """Count the months from where paid time begins with this invoice, if that is inside a month: staff may add free
    days to a running plan, or set where its billing cycle begins. One that is cut short begins inside the month that
    ends with it, or some months before.
    """
    begin, end = invoice.period_start, invoice.period_end
    if begin is None or end is None or paid_from(invoice.subscription) != begin:
        return
    row = Subscription.objects.filter(pk=invoice.subscription_id)
    # Months count on from an anchor, never back; every fourth year has the end's day, were it the 29th of February.
    anchor_at = end.replace(year=end.year - 4) if invoice.upgraded_from == FREE else begin
    month = credits_selectors.month_at(anchor_at=anchor_at, at=begin)
    if credits_selectors.month_at(anchor_at=row.get().anchor_at, at=begin).start_at != month.start_at:
        row.update(anchor_at=anchor_at)


def void_renewals(subscription: Subscription) -> None:
    """Void what is still to be paid for a subscription that has ended: Stripe stops collecting it, but whoever has its
    link (our mail told it) could go on paying, for a month of a plan that is over.

    What a bank is at would be taken all the same: it gives its month, or is voided when we hear that it failed.
    """
    for invoice in gateway.list_all_invoices({"subscription": subscription.pk, "status": "open"}):
        if not is_renewal_to_void(gateway.retrieve_invoice(invoice["id"])):
            continue
        try:
            gateway.void_invoice(invoice["id"])
        except gateway.StripeRefused as error:  # paid, or being paid, at this moment: then it gives its month
            log.warning(
                "Open invoice of an ended subscription could not be voided", user_id=str(subscription.user_id),
                subscription_id=subscription.pk, invoice_id=invoice["id"], reason=str(error.__cause__),
            )  # fmt: skip


def is_renewal_to_void(invoice: dict[str, Any]) -> bool:
    """Tell whether an invoice of a subscription that has ended is still to be paid, for nothing."""
    # What staff made they know the purpose of.
    is_open = invoice["status"] == "open" and invoice["billing_reason"] in stripe_data.AUTOMATIC_REASONS
    return is_open and open_payment_status(invoice) != PROCESSING


# --- A second subscription ----------------------------------------------------------------------------------------


def find_out_surplus(customer: Customer, fetched: dict[str, Any], now: datetime) -> bool:
    """Tell whether this subscription stands beside an older one that is not ended. Calls Stripe only for a new one."""
    known = Subscription.objects.filter(pk=fetched["id"]).first()
    if known is not None:
        return known.is_surplus
    if stripe_data.subscription_is_ended(fetched):
        return False
    current = selectors.current_subscription(user_id=customer.user_id)
    alive = {
        found["id"]: found
        for found in gateway.list_subscriptions(customer.pk)
        if not stripe_data.subscription_is_ended(found)
    }
    if current is not None and current.pk not in alive:
        sync_subscription(subscription_id=current.pk, now=now)  # it has ended, and we had not heard
        current = None
    if current is not None:
        return True
    surplus_ids = set(Subscription.objects.filter(customer=customer, is_surplus=True).values_list("pk", flat=True))
    candidates = [found for found in alive.values() if found["id"] not in surplus_ids] or [fetched]
    oldest = min(candidates, key=lambda found: (found["created"], found["id"]))
    return bool(oldest["id"] != fetched["id"])


def end_surplus(subscription: Subscription, now: datetime) -> None:
    """Cancel a second subscription and give back all that was paid for it, from the customer's credit balance too."""
    if subscription.ended_at is None:
        try:
            gateway.cancel_subscription(subscription.pk)
        except gateway.StripeRefused:
            # Cancelled already, by an earlier try of ours or by somebody else: then there is nothing left to end.
            if not stripe_data.subscription_is_ended(gateway.retrieve_subscription(subscription.pk)):
                raise
    refunded_cents, currency = 0, ""
    for listed in gateway.list_all_invoices({"subscription": subscription.pk, "status": "paid"}):
        invoice = gateway.retrieve_invoice(listed["id"])
        currency = invoice["currency"]
        for payment_intent_id in stripe_data.invoice_payment_intent_ids(invoice):
            refund = refund_in_full(payment_intent_id, reason="duplicate")
            refunded_cents += refund["amount"] if refund else 0
        refunded_cents += give_back_balance(invoice)
    if refunded_cents:
        log.warning(
            "Second subscription cancelled and refunded", user_id=str(subscription.user_id),
            subscription_id=subscription.pk, refunded_cents=refunded_cents,
        )  # fmt: skip
        with transaction.atomic():
            letters.tell_second_subscription(subscription, refunded_cents, currency, now=now)
    if subscription.ended_at is None:
        sync_ended(subscription, now)


def sync_ended(subscription: Subscription, now: datetime) -> None:
    """Note the end of a subscription that we have just cancelled."""
    fetched = gateway.retrieve_subscription(subscription.pk)
    ended_at = stripe_data.subscription_ended_at(fetched) or now
    Subscription.objects.filter(pk=subscription.pk).update(status="canceled", ended_at=ended_at)
    subscription.refresh_from_db()
