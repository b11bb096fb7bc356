"""What staff do about money."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from billing import selectors, services
from billing.backoffice.home import money
from billing.backoffice.purchases import bought_text, invoice_text
from billing.models import PaidInvoice, Purchase, Refund, Subscription
from credits import selectors as credits_selectors
from smartspec import backoffice
from smartspec.admin import plain_credits
from smartspec.backoffice import Action, ActionForm, Preview
from smartspec.users.models import User
from smartspec.users.services import Staff


def own_purchase(user: User, purchase_id: str) -> Purchase:
    """Return a person's purchase.

    :raises billing.services.UnknownPurchase: it is nobody's, or somebody else's.
    """
    purchase = services.find_purchase(purchase_id)
    if purchase.user_id != user.pk:
        raise services.UnknownPurchase("They have no such purchase.")
    return purchase


def own_subscription(form: ActionForm) -> Subscription:
    """Return the person's subscription that is not ended.

    :raises billing.services.SubscriptionNotFound: there is none.
    """
    subscription = selectors.current_subscription(user_id=form.user.pk)
    if subscription is None:
        raise services.SubscriptionNotFound("They have no subscription that could change.")
    return subscription


# --- Purchases ----------------------------------------------------------------------------------------------------


class RefundForm(ActionForm):
    amount = forms.DecimalField(
        label="Amount",
        required=False,
        min_value=Decimal("0.01"),
        max_digits=10,
        decimal_places=2,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="In the currency that was paid. Empty: all that is left.",
    )
    keep_credits = forms.BooleanField(
        label="The customer keeps the credits",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Otherwise the share of the credits that this refund is of the price is taken back.",
    )

    @property
    def amount_cents(self) -> int | None:
        amount: Decimal | None = self.cleaned_data["amount"]
        return None if amount is None else int(amount * 100)


class RefundAction(Action):
    """Send money back for a payment. A subclass says which."""

    right = "billing.refund_purchase"
    form_class = RefundForm
    needs_target = True
    is_dangerous = True

    def find(self, user: User, target: str) -> Purchase | PaidInvoice:
        """Return the person's payment that it is about."""
        raise NotImplementedError

    def name_of(self, payment: Any) -> str:
        """Return what was paid for, in words."""
        raise NotImplementedError

    def initial(self, *, user: User, target: str, now: datetime) -> Mapping[str, Any]:
        self.find(user, target)
        return {}

    def about(self, *, form: ActionForm, staff: Staff) -> str:
        payment = self.find(form.user, form.target)
        left = (payment.paid_cents or 0) - selectors.sent_back_cents(payment)
        return f"{self.name_of(payment)}: {money(left, payment.currency)} can go back."

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        assert isinstance(form, RefundForm)  # noqa: S101 - form_class
        payment = self.find(form.user, form.target)
        keeps = form.cleaned_data["keep_credits"]
        found = services.preview_refund(
            payment=payment, amount_cents=form.amount_cents, keep_credits=keeps, now=form.now
        )
        balance = credits_selectors.get_balance(account_id=form.user.pk, now=form.now)
        sentences = [
            f"{money(found.amount_cents, found.currency)} of {money(payment.paid_cents or 0, found.currency)} go back"
            f" to {form.user.email}, for {self.name_of(payment)}."
        ]
        if keeps:
            sentences.append("They keep the credits.")
        elif found.taken:
            sentences.append(f"{plain_credits(found.taken)} credits are taken back.")
        else:
            sentences.append("No credits are taken back: none were given, or they are gone already.")
        left = balance.available - (found.taken - found.debt)
        changes = [
            ("Available", plain_credits(balance.available), plain_credits(left)),
            ("Debt", plain_credits(balance.debt), plain_credits(balance.debt + found.debt)),
        ]
        warning = (
            f"{plain_credits(found.debt)} of them are spent or held, and become debt: the next credits pay it off."
            if found.debt
            else ""
        )
        return Preview([*sentences, *self.what_else(payment)], changes, warning)

    def what_else(self, payment: Any) -> Sequence[str]:
        """Return what staff should know besides."""
        return ()

    def asked(self, form: ActionForm) -> dict[str, Any]:
        """Return what the form asks for, as services take it."""
        assert isinstance(form, RefundForm)  # noqa: S101 - form_class
        return {"amount_cents": form.amount_cents, "keep_credits": form.cleaned_data["keep_credits"], "now": form.now}


def refunded_text(refund: Refund) -> str:
    return f"{money(refund.amount_cents, refund.currency)}: refund {refund.get_status_display()}."


class RefundPurchase(RefundAction):
    """Send money back for a purchase."""

    slug = "refund-purchase"
    title = "Refund the purchase"

    def find(self, user: User, target: str) -> Purchase:
        return own_purchase(user, target)

    def name_of(self, payment: Any) -> str:
        return bought_text(payment)

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        purchase = self.find(form.user, form.target)
        return refunded_text(
            services.refund_by_staff(staff=staff, purchase_id=purchase.pk, key=key, **self.asked(form))
        )


class RefundInvoice(RefundAction):
    """Send money back for a month or a year of a plan."""

    slug = "refund-invoice"
    title = "Refund the invoice"

    def find(self, user: User, target: str) -> PaidInvoice:
        invoice = services.find_invoice(target)
        if invoice.subscription.user_id != user.pk:
            raise services.UnknownInvoice("They have no such paid invoice.")
        return invoice

    def name_of(self, payment: Any) -> str:
        return invoice_text(payment)

    def what_else(self, payment: Any) -> Sequence[str]:
        return (
            "What this invoice still gives in later months shrinks by the same share.",
            "The subscription goes on and is paid again: cancel it as well if it should end.",
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        invoice = self.find(form.user, form.target)
        return refunded_text(
            services.refund_invoice_by_staff(staff=staff, invoice_id=invoice.pk, key=key, **self.asked(form))
        )


class ResendFulfilment(Action):
    """Give what a paid purchase should have given, if it has not."""

    slug = "resend-fulfilment"
    title = "Fulfil again"
    right = "billing.resend_fulfilment"
    needs_target = True

    def about(self, *, form: ActionForm, staff: Staff) -> str:
        purchase = own_purchase(form.user, form.target)
        return f"{bought_text(purchase)}, of {purchase.created_at:%Y-%m-%d %H:%M}: {purchase.get_state_display()}."

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        purchase = own_purchase(form.user, form.target)
        return Preview(
            [
                f"Stripe is asked what became of the payment for {bought_text(purchase)}; it is"
                f" {purchase.get_state_display()} now.",
                "If it is paid as quoted, the credits are given, unless they were given before: never twice.",
            ]
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        purchase_id = own_purchase(form.user, form.target).pk
        purchase = services.resend_fulfilment(staff=staff, purchase_id=purchase_id, now=form.now)
        return f"{bought_text(purchase)}: {purchase.get_state_display()}."


class AcceptPurchase(Action):
    """Give what was bought although it was paid otherwise than quoted."""

    slug = "accept-purchase"
    title = "Give the credits of the purchase"
    right = "billing.accept_purchase"
    needs_target = True

    def about(self, *, form: ActionForm, staff: Staff) -> str:
        purchase = own_purchase(form.user, form.target)
        return f"{bought_text(purchase)}, of {purchase.created_at:%Y-%m-%d %H:%M}: {purchase.review_reason}."

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        purchase = own_purchase(form.user, form.target)
        services.require_waiting(purchase)
        paid, quoted = (
            money(purchase.paid_cents or 0, purchase.currency),
            money(purchase.price_cents, purchase.currency),
        )
        credits = plain_credits(Decimal(purchase.total_credits))
        sentences = [
            f"{credits} credits are given to {form.user.email} for {paid}; {quoted} was quoted. It is fulfilled then."
        ]
        back_cents = selectors.sent_back_cents(purchase)
        if back_cents:
            back = money(back_cents, purchase.currency)
            sentences.append(f"Of that, {back} went back: its share of the credits is taken, unless they keep it.")
        return Preview(sentences, [("State", purchase.get_state_display(), "fulfilled")])

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        purchase_id = own_purchase(form.user, form.target).pk
        purchase = services.accept_by_staff(staff=staff, purchase_id=purchase_id, now=form.now)
        return f"{bought_text(purchase)}: {purchase.get_state_display()}."


class SyncFromStripe(Action):
    """Compare everything of theirs with Stripe and put right what differs."""

    slug = "sync-from-stripe"
    title = "Sync from Stripe"
    right = "billing.sync_customer"

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        return Preview(
            [
                "Checkouts, subscriptions, invoices, refunds and disputes of this person are compared with Stripe.",
                "What is missing here is made good by the same rules as ever, so nothing is given or taken twice.",
            ]
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        progress = services.sync_user_from_stripe(staff=staff, user=form.user, now=form.now)
        return f"{progress.checked} compared, {progress.repaired} put right, {progress.remaining} still differ."


# --- Subscriptions ------------------------------------------------------------------------------------------------


class CancelForm(ActionForm):
    when = forms.ChoiceField(
        label="When",
        choices=[("period_end", "At the end of what is paid for"), ("now", "Now, without money back")],
        widget=UnfoldAdminSelectWidget,
    )


class CancelSubscription(Action):
    """End their plan."""

    slug = "cancel-subscription"
    title = "Cancel the subscription"
    right = "billing.manage_subscription"
    form_class = CancelForm
    is_dangerous = True

    def is_offered(self, *, user: User, now: datetime) -> bool:
        return selectors.current_subscription(user_id=user.pk) is not None

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        subscription = own_subscription(form)
        plan = subscription.plan.capitalize()
        if form.cleaned_data["when"] == "now":
            return Preview(
                [f"{plan} ends now. Nothing is paid back, and what is left of this month's credits ends with it."],
                [("Plan", plan, "Free")],
                "This cannot be undone: they would have to subscribe again.",
            )
        ends = f"{subscription.current_period_end:%Y-%m-%d}"
        sentence = f"{plan} goes on until {ends}, then ends. Until then it can be reactivated."
        return Preview([sentence], [("Plan", plan, f"{plan}, Free from {ends}")])

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        subscription = services.cancel_by_staff(
            staff=staff,
            user=form.user,
            subscription_id=own_subscription(form).pk,
            at_period_end=form.cleaned_data["when"] != "now",
            now=form.now,
        )
        if subscription.ended_at:
            return "The subscription has ended."
        return f"The subscription ends on {subscription.current_period_end:%Y-%m-%d}."


class ReactivateSubscription(Action):
    """Undo a cancellation at the end of the period."""

    slug = "reactivate-subscription"
    title = "Reactivate the subscription"
    right = "billing.manage_subscription"

    def is_offered(self, *, user: User, now: datetime) -> bool:
        subscription = selectors.current_subscription(user_id=user.pk)
        return subscription is not None and selectors.planned_end(subscription) is not None

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        subscription = own_subscription(form)
        plan = subscription.plan.capitalize()
        ends = f"{subscription.current_period_end:%Y-%m-%d}"
        return Preview([f"{plan} goes on and is paid again on {ends}."], [("Plan", f"{plan}, until {ends}", plan)])

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        subscription_id = own_subscription(form).pk
        services.reactivate_by_staff(staff=staff, user=form.user, subscription_id=subscription_id, now=form.now)
        return "The subscription goes on."


ACTIONS = (
    *(SyncFromStripe(), CancelSubscription(), ReactivateSubscription()),
    *(RefundPurchase(), RefundInvoice(), ResendFulfilment(), AcceptPurchase()),
)
for order, action in enumerate(ACTIONS):
    backoffice.actions.add(action, name=action.slug, right=action.right, order=30 + order)
