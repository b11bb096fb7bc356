"""Comparing our books with Stripe's, both ways, and putting right what differs by the same services as ever.

Every comparison reads one object at Stripe, or one row of ours, and yields what differs: nothing is collected, so that
a hundred thousand objects need no more memory than a hundred. What Stripe lists for the window is compared first, then
what of ours is older and may still change.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from billing import gateway, selectors, stripe_data
from billing.models import (
    CheckoutState,
    Customer,
    Dispute,
    PaidInvoice,
    Purchase,
    ReconcileRun,
    Refund,
    Subscription,
    SubscriptionCheckout,
)
from billing.services.customers import find_or_adopt_customer, find_user
from billing.services.disputes import settle_dispute
from billing.services.invoices import record_invoice
from billing.services.money_back import list_gifts
from billing.services.refunds import send_refund, settle_refund
from billing.services.settlement import (
    FORWARD,
    find_by_id,
    find_row,
    judge_purchase,
    judge_unpaid,
    restore_grants,
    settle_session,
)
from billing.services.subscriptions import apply_plan_of, fetch_pending_change, is_entitled, row_of, sync_subscription
from credits import selectors as credits_selectors
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.users.models import User

log = get_logger(__name__)

OVERLAP = timedelta(days=3)  # events may be this late, and clocks differ
ALLOWANCE_LATE = timedelta(hours=2)  # the hourly task gives it
REFUNDS_CHANGE_FOR = timedelta(days=45)  # a refund that succeeded may still fail while the bank tries
KEPT_DIFFERENCES = 100
BEGINNING = datetime(2011, 1, 1, tzinfo=UTC)  # no account at Stripe is older


@dataclass(frozen=True)
class Window:
    """What is compared: Stripe's objects made from `since` on and before `until`, of one user or of all."""

    since: datetime | None
    until: datetime
    user_id: UUID | None = None

    @property
    def customer_id(self) -> str:
        """The one user's customer, empty without one (an earlier step may find it)."""
        customer = Customer.objects.filter(user_id=self.user_id).first() if self.user_id else None
        return customer.pk if customer else ""

    @property
    def is_nobody(self) -> bool:
        return self.user_id is not None and not self.customer_id

    def created(self) -> dict[str, Any]:
        bounds = {"lt": int(self.until.timestamp()) + 1}
        return {"created": bounds | ({"gte": int(self.since.timestamp())} if self.since else {})}

    def listed(self) -> dict[str, Any]:
        return self.created() | ({"customer": self.customer_id} if self.user_id else {})

    def older(self, queryset: Any) -> Any:
        """Narrow rows of ours to the user, and to those that Stripe did not list because they are older."""
        if self.user_id:
            queryset = queryset.filter(user_id=self.user_id)
        return queryset.filter(created_at__lt=self.since).order_by("pk") if self.since else queryset.none()


@dataclass(frozen=True)
class Difference:
    """Where our books and Stripe's do not agree."""

    kind: str
    object_id: str
    user_id: str
    detail: str


@dataclass(frozen=True)
class Finding:
    """What differs about one object, what would put it right, and how to look again."""

    difference: Difference
    look: Callable[[], Difference | None]
    repair: Callable[[], object] | None = None


@dataclass
class Progress:
    """How far a run has come."""

    step: str = ""
    checked: int = 0
    repaired: int = 0
    remaining: int = 0


Checks = Iterator[Finding | None]


# --- A run --------------------------------------------------------------------------------------------------------


def reconcile(
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    user_id: UUID | None = None,
    is_repair: bool = False,
    on_difference: Callable[[Difference, bool], object] = lambda difference, is_repaired: None,
    on_progress: Callable[[Progress], object] = lambda progress: None,
) -> Progress:
    """This will compare our books with Stripe's and, with `is_repair`, put right what differs.

    Without `since` it begins where the last clean run over everybody looked until, less 3 days; the first begins with
    the account. `on_difference` hears of every difference, and whether it was repaired.

    :raises gateway.StripeUnavailable: Stripe cannot be reached.
    """
    is_whole = since is None and until is None and user_id is None
    window = Window(
        since=since or (find_since() if user_id is None else None),
        until=until or now,
        user_id=user_id,
    )
    run = (
        ReconcileRun.objects.create(started_at=now, since_at=window.since or BEGINNING, until_at=window.until)
        if is_whole
        else None
    )
    progress = Progress()
    kept: list[dict[str, str]] = []
    for step, check in STEPS.items():
        progress.step = step
        for finding in check(window, now):
            progress.checked += 1
            on_progress(progress)
            if finding is None:
                continue
            is_repaired = is_repair and put_right(finding)
            progress.repaired += is_repaired
            progress.remaining += not is_repaired
            if not is_repaired and len(kept) < KEPT_DIFFERENCES:
                kept.append(vars(finding.difference))
            (log.warning if is_repaired else log.error)(
                "Books differ", repaired=is_repaired, **vars(finding.difference)
            )
            on_difference(finding.difference, is_repaired)
    if run is not None:
        run.checked, run.repaired, run.remaining = progress.checked, progress.repaired, progress.remaining
        run.finished_at, run.differences = now, kept
        run.save()
    return progress


def find_since() -> datetime | None:
    """Return where a run over everybody begins, None for the first."""
    last = ReconcileRun.objects.filter(finished_at__isnull=False, remaining=0).order_by("-until_at").first()
    return None if last is None else last.until_at - OVERLAP


def put_right(finding: Finding) -> bool:
    """Repair and look again; tell whether the difference is gone."""
    if finding.repair is None:
        return False
    try:
        finding.repair()
    except gateway.StripeUnavailable:
        raise
    except DomainError as error:
        log.error("Could not be repaired", object_id=finding.difference.object_id, reason=error.detail)
        return False
    return finding.look() is None


def compare(look: Callable[[], Difference | None], repair: Callable[[], object] | None = None) -> Finding | None:
    difference = look()
    if difference is None:
        return None
    return Finding(difference, look, repair)


def first_then(fetched: dict[str, Any] | None, retrieve: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Return a function that hands out what was listed, and from then on what Stripe says now."""
    listed = [fetched] if fetched is not None else []
    return lambda: listed.pop() if listed else retrieve()


# --- Customers ----------------------------------------------------------------------------------------------------


def check_customers(window: Window, now: datetime) -> Checks:
    """Customers at Stripe that name a user of ours, and are nobody's here."""
    values = window.created()
    if window.user_id:
        values = {"email": User.objects.get(pk=window.user_id).email}
    for fetched in gateway.list_customers(values):
        yield compare(
            lambda fetched=fetched: look_at_customer(fetched),  # type: ignore[misc]
            lambda fetched=fetched: find_or_adopt_customer(customer_id=fetched["id"], now=now),  # type: ignore[misc]
        )


def look_at_customer(fetched: dict[str, Any]) -> Difference | None:
    user = find_user(stripe_data.metadata(fetched).get(stripe_data.USER_ID, ""))
    if user is None or Customer.objects.filter(pk=fetched["id"]).exists():
        return None
    if Customer.objects.filter(user=user).exists():
        return None  # made beside the one in use; whatever it pays for is looked at below
    return Difference("customer_unlinked", fetched["id"], str(user.pk), "Names a user who has no customer.")


# --- Checkouts ----------------------------------------------------------------------------------------------------


def check_sessions(window: Window, now: datetime) -> Checks:
    """Stripe's checkout sessions, and every checkout of ours that is not final, whatever its age."""
    if not window.is_nobody:
        for session in gateway.list_checkout_sessions(window.listed()):
            yield compare_session(session["id"], session, now)
    unfinished = Q(state__in=("open", "processing", "needs_review"), session_id__isnull=False)
    for model in (Purchase, SubscriptionCheckout):
        rows = window.older(model._default_manager.filter(unfinished))
        for session_id in rows.values_list("session_id", flat=True).iterator(chunk_size=500):
            yield compare_session(session_id, None, now)


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

    return compare(look, repair)


def look_at_session(session: dict[str, Any]) -> Difference | None:
    if session["mode"] == "subscription":
        return look_at_subscription_session(session)
    if session["mode"] != "payment":
        return None
    purchase = find_row(Purchase, session, stripe_data.PURCHASE_ID)
    is_paid = stripe_data.session_is_paid(session)
    if purchase is None:
        user = find_user(stripe_data.metadata(session).get(stripe_data.USER_ID, ""))
        if user is None or not is_paid:
            return None
        return Difference("unknown_purchase", session["id"], str(user.pk), "Paid, and no purchase of ours is known.")

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
        return differ("amount_mismatch", reason)
    if is_paid:
        return differ("paid_not_granted", f"The purchase is {purchase.state}.")
    if FORWARD[state] > FORWARD[CheckoutState(purchase.state)]:
        return differ("checkout_state_mismatch", f"{purchase.state} here, {state} at Stripe.")
    return None


def look_at_subscription_session(session: dict[str, Any]) -> Difference | None:
    checkout = find_row(SubscriptionCheckout, session, stripe_data.CHECKOUT_ID)
    if checkout is None:
        return None
    state = CheckoutState.FULFILLED if stripe_data.session_is_paid(session) else judge_unpaid(session)
    if FORWARD[state] <= FORWARD[CheckoutState(checkout.state)] or checkout.state == CheckoutState.FAILED:
        return None
    kind = "paid_not_granted" if state == CheckoutState.FULFILLED else "checkout_state_mismatch"
    return Difference(kind, session["id"], str(checkout.user_id), f"{checkout.state} here, {state} at Stripe.")


def missing_gifts(payment: Purchase | PaidInvoice) -> int:
    """Count the grants that a payment should have given and the ledger does not have."""
    user_id = payment.user_id if isinstance(payment, Purchase) else payment.subscription.user_id
    return sum(
        not credits_selectors.granted(account_id=user_id, kind=gift.kind, source=gift.source)
        for gift in list_gifts(payment)
    )


# --- Subscriptions and their invoices -----------------------------------------------------------------------------


def check_subscriptions(window: Window, now: datetime) -> Checks:
    """Stripe's new subscriptions, and every one of ours that is not ended, whatever its age, with its invoices."""
    if not window.is_nobody:
        for fetched in gateway.list_all_subscriptions(window.listed()):
            yield compare_subscription(fetched["id"], fetched, now)
    alive = window.older(Subscription.objects.filter(ended_at__isnull=True))
    for subscription_id in alive.values_list("pk", flat=True).iterator(chunk_size=500):
        yield compare_subscription(subscription_id, None, now)
        earlier = {"created": {"lt": int(window.since.timestamp())}} if window.since else {}
        for invoice in gateway.list_all_invoices({"subscription": subscription_id, "status": "paid", **earlier}):
            yield compare_invoice(invoice, now)


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

    return compare(look, repair)


def look_at_subscription(fetched: dict[str, Any], now: datetime) -> Difference | None:
    known = Subscription.objects.filter(pk=fetched["id"]).select_related("customer").first()
    customer = known.customer if known else find_customer(stripe_data.object_id(fetched["customer"]))
    if customer is None:
        return None

    def differ(detail: str) -> Difference:
        return Difference("subscription_state_mismatch", fetched["id"], str(customer.user_id), detail)

    if known is None:
        return None if fetched["status"] == "incomplete_expired" else differ(f"{fetched['status']}, and unknown here.")
    expected = row_of(customer, known, fetched, fetch_pending_change(fetched))
    other = [name for name, value in expected.items() if getattr(known, name) != value]
    if other:
        return differ(f"Other at Stripe: {', '.join(other)}.")
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
    return None


def is_paid_for(subscription: Subscription, moment: datetime) -> bool:
    """Tell whether an invoice whose money we have pays for a moment."""
    if not is_entitled(subscription):
        return False
    kept = subscription.paid_invoices.filter(is_returned=False)
    return kept.filter(period_start__lte=moment, period_end__gt=moment).exists()


def find_customer(customer_id: str) -> Customer | None:
    return Customer.objects.filter(pk=customer_id).first()


def check_invoices(window: Window, now: datetime) -> Checks:
    """Stripe's paid invoices of subscriptions."""
    if window.is_nobody:
        return
    for invoice in gateway.list_all_invoices({**window.listed(), "status": "paid"}):
        yield compare_invoice(invoice, now)


def compare_invoice(invoice: dict[str, Any], now: datetime) -> Finding | None:
    return compare(lambda: look_at_invoice(invoice), lambda: record_invoice(invoice_id=invoice["id"], now=now))


def look_at_invoice(invoice: dict[str, Any]) -> Difference | None:
    subscription_id = stripe_data.invoice_subscription_id(invoice)
    customer = find_customer(stripe_data.object_id(invoice["customer"]))
    if not subscription_id or customer is None:
        return None
    recorded = PaidInvoice.objects.filter(pk=invoice["id"]).select_related("subscription").first()

    def differ(kind: str, detail: str) -> Difference:
        return Difference(kind, invoice["id"], str(customer.user_id), detail)

    if recorded is None:
        if Subscription.objects.filter(pk=subscription_id, is_surplus=True, ended_at__isnull=False).exists():
            return None
        return differ("paid_not_granted", f"{invoice['amount_paid']} cents paid, and unknown here.")
    if recorded.paid_cents != invoice["amount_paid"]:
        return differ("amount_mismatch", f"{invoice['amount_paid']} cents paid, {recorded.paid_cents} recorded.")
    missing = missing_gifts(recorded)
    return differ("amount_mismatch", f"{missing} grants are missing in the ledger.") if missing else None


# --- Money back ---------------------------------------------------------------------------------------------------


def check_refunds(window: Window, now: datetime) -> Checks:
    """Stripe's refunds, and ours that may still change or were never sent."""
    for fetched in list_by_payment(window, gateway.list_refunds):
        yield compare_refund(fetched["id"], fetched, now)
    requested = Refund.objects.filter(status=Refund.Status.REQUESTED)
    for refund in (requested.filter(user_id=window.user_id) if window.user_id else requested).iterator(chunk_size=500):
        yield compare(
            lambda pk=refund.pk: look_at_request(pk),  # type: ignore[misc]
            lambda refund=refund: send_refund(refund=refund, now=now),  # type: ignore[misc]
        )
    recent = Q(status="succeeded", created_at__gte=(window.since or now) - REFUNDS_CHANGE_FOR)
    unsettled = window.older(Refund.objects.filter(recent | Q(status__in=("pending", "requires_action"))))
    for refund_id in unsettled.values_list("refund_id", flat=True).iterator(chunk_size=500):
        yield compare_refund(refund_id, None, now)


def look_at_request(refund_pk: UUID) -> Difference | None:
    refund = Refund.objects.get(pk=refund_pk)
    if refund.status != Refund.Status.REQUESTED:
        return None
    return Difference("refund_not_sent", str(refund.pk), str(refund.user_id), f"Asked for by {refund.actor}.")


def compare_refund(refund_id: str, fetched: dict[str, Any] | None, now: datetime) -> Finding | None:
    read = first_then(fetched, lambda: gateway.retrieve_refund(refund_id))
    return compare(lambda: look_at_refund(read()), lambda: settle_refund(refund_id=refund_id, now=now))


def look_at_refund(fetched: dict[str, Any]) -> Difference | None:
    known = Refund.objects.filter(refund_id=fetched["id"]).first()
    if known is None:
        user_id = find_payer(fetched)
        return Difference("refund_not_clawed_back", fetched["id"], user_id, "Unknown here.") if user_id else None
    found = (known.status, known.amount_cents)
    if found == (fetched["status"], fetched["amount"]):
        return None
    detail = f"{found[0]} here, {fetched['status']} at Stripe."
    return Difference("refund_not_clawed_back", fetched["id"], str(known.user_id), detail)


def check_disputes(window: Window, now: datetime) -> Checks:
    """Stripe's disputes, and ours that are not decided, whatever their age."""
    for fetched in list_by_payment(window, gateway.list_disputes):
        yield compare_dispute(fetched["id"], fetched, now)
    undecided = window.older(Dispute.objects.exclude(status__in=stripe_data.FINAL_DISPUTE_STATUSES))
    for dispute_id in undecided.values_list("pk", flat=True).iterator(chunk_size=500):
        yield compare_dispute(dispute_id, None, now)


def compare_dispute(dispute_id: str, fetched: dict[str, Any] | None, now: datetime) -> Finding | None:
    read = first_then(fetched, lambda: gateway.retrieve_dispute(dispute_id))
    return compare(lambda: look_at_dispute(read()), lambda: settle_dispute(dispute_id=dispute_id, now=now))


def look_at_dispute(fetched: dict[str, Any]) -> Difference | None:
    known = Dispute.objects.filter(pk=fetched["id"]).first()
    if known is None:
        charge = gateway.retrieve_charge(stripe_data.charge_id(fetched))
        customer = find_customer(stripe_data.object_id(charge.get("customer")))
        user_id = str(customer.user_id) if customer else find_payer(fetched)
        return Difference("dispute_not_applied", fetched["id"], user_id, "Unknown here.") if user_id else None
    is_reinstated = stripe_data.dispute_is_reinstated(fetched)
    if known.status == fetched["status"] and (known.is_reinstated or not is_reinstated):
        return None
    detail = f"{known.status} here, {fetched['status']} at Stripe."
    return Difference("dispute_not_applied", fetched["id"], str(known.user_id), detail)


def list_by_payment(
    window: Window, list_all: Callable[[dict[str, Any]], Iterator[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """Yield the window's refunds or disputes; those of one user by their payments, as Stripe knows no other way."""
    if not window.user_id:
        yield from list_all(window.created())
    elif window.customer_id:
        for intent in gateway.list_payment_intents({"customer": window.customer_id}):
            yield from list_all({"payment_intent": intent["id"]})


def find_payer(fetched: dict[str, Any]) -> str:
    """Return whose payment a refund or dispute is of; empty when it gave nothing here. Writes nothing."""
    payment_intent_id = stripe_data.payment_intent_id(fetched)
    if not payment_intent_id:
        return ""
    purchase = Purchase.objects.filter(payment_intent_id=payment_intent_id).first()
    if purchase is None:
        intent = gateway.retrieve_payment_intent(payment_intent_id)
        purchase = find_by_id(Purchase, stripe_data.metadata(intent).get(stripe_data.PURCHASE_ID, ""))
    if purchase is not None:
        return str(purchase.user_id)
    invoice_ids = [stripe_data.payment_invoice_id(paid) for paid in gateway.list_payments_of_intent(payment_intent_id)]
    invoice = PaidInvoice.objects.filter(pk__in=invoice_ids).select_related("subscription").first()
    return "" if invoice is None else str(invoice.subscription.user_id)


# --- From our books to Stripe's -----------------------------------------------------------------------------------


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
    for purchase in fulfilled.order_by("pk").iterator(chunk_size=500):
        yield compare(lambda purchase=purchase: look_at_fulfilled(purchase, window))  # type: ignore[misc]
    for invoice_id in invoices.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=500):
        yield compare(lambda invoice_id=invoice_id: look_at_recorded(invoice_id))  # type: ignore[misc]
    for prefix, look in LOOK_AT_GRANT.items():
        for grant in credits_selectors.iterate_grants(
            source_prefix=prefix, since=window.since, until=window.until, account_id=window.user_id
        ):
            yield compare(lambda look=look, grant=grant: look(grant))  # type: ignore[misc]


def look_at_fulfilled(purchase: Purchase, window: Window) -> Difference | None:
    try:
        session = gateway.retrieve_checkout_session(purchase.session_id or "")
    except gateway.StripeObjectMissing:
        return Difference("granted_not_paid", str(purchase.pk), str(purchase.user_id), "Unknown at Stripe.")
    was_listed = window.since is None or purchase.created_at >= window.since
    return None if was_listed else look_at_session(session)


def look_at_recorded(invoice_id: str) -> Difference | None:
    recorded = PaidInvoice.objects.select_related("subscription").get(pk=invoice_id)
    try:
        status = gateway.retrieve_invoice(invoice_id)["status"]
    except gateway.StripeObjectMissing:
        status = "unknown"
    if status == "paid":
        return None
    user_id = str(recorded.subscription.user_id)
    return Difference("granted_not_paid", invoice_id, user_id, f"The invoice is {status} at Stripe.")


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

STEPS: dict[str, Callable[[Window, datetime], Checks]] = {
    "customers": check_customers,
    "checkouts": check_sessions,
    "subscriptions": check_subscriptions,
    "invoices": check_invoices,
    "refunds": check_refunds,
    "disputes": check_disputes,
    "our books": check_our_payments,
}
