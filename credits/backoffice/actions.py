"""What staff do to a person's credits."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget

from credits import selectors, services
from credits.models import Adjustment, Hold
from smartspec import backoffice
from smartspec.admin import plain_credits
from smartspec.backoffice import Action, ActionForm, Preview
from smartspec.users.models import User
from smartspec.users.services import Staff


class AdjustForm(ActionForm):
    direction = forms.ChoiceField(
        label="What to do", choices=[("give", "Give credits"), ("take", "Take credits")], widget=UnfoldAdminSelectWidget
    )
    credits = forms.DecimalField(
        min_value=Decimal("0.000001"),
        max_digits=18,
        decimal_places=6,
        localize=False,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )
    expires_on = forms.DateField(
        label="They end after",
        required=False,
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="Only for credits that are given: the last day (UTC) on which they can be spent. Empty: never.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        expires_on = cleaned.get("expires_on")
        if expires_on and cleaned.get("direction") == "take":
            self.add_error("expires_on", "Credits that are taken have no end. Leave this empty.")
        elif expires_on and expires_on < self.now.date():
            self.add_error("expires_on", "This day is over.")
        return cleaned

    @property
    def signed_credits(self) -> Decimal:
        credits: Decimal = self.cleaned_data["credits"]
        return credits if self.cleaned_data["direction"] == "give" else -credits

    @property
    def expires_at(self) -> datetime | None:
        day = self.cleaned_data["expires_on"]
        return datetime.combine(day + timedelta(days=1), time(), tzinfo=self.now.tzinfo) if day else None


class Adjust(Action):
    """Give or take credits."""

    slug = "adjust-credits"
    title = "Adjust credits"
    right = "credits.adjust_credits"
    hint = "Above your role's limit it becomes a request, which somebody else decides about."
    form_class = AdjustForm

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        assert isinstance(form, AdjustForm)  # noqa: S101 - form_class
        credits = form.signed_credits
        balance = selectors.get_balance(account_id=form.user.pk, now=form.now)
        if -credits > balance.available:
            raise services.InsufficientCredits(required=-credits, available=balance.available)
        repaid = min(balance.debt, max(credits, Decimal(0)))
        sentences = [
            f"{plain_credits(credits)} credits are given to {form.user.email}."
            if credits > 0
            else f"{plain_credits(-credits)} credits are taken from {form.user.email}, those first that would be spent"
            " first."
        ]
        if form.expires_at:
            sentences.append(f"They can be spent until {form.cleaned_data['expires_on']:%Y-%m-%d}, end of day (UTC).")
        if repaid:
            sentences.append(f"{plain_credits(repaid)} of them pay off debt.")
        changes = [
            ("Available", plain_credits(balance.available), plain_credits(balance.available + credits - repaid)),
            ("Debt", plain_credits(balance.debt), plain_credits(balance.debt - repaid)),
        ]
        exceeded = services.limit_exceeded(staff=staff, credits=credits, now=form.now)
        if exceeded:
            exceeded += " This becomes a request: nothing moves until somebody else approves it."
        return Preview(sentences, changes, exceeded)

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        assert isinstance(form, AdjustForm)  # noqa: S101 - form_class
        made = services.adjust_by_staff(
            staff=staff,
            account_id=form.user.pk,
            credits=form.signed_credits,
            expires_at=form.expires_at,
            key=UUID(key),
            now=form.now,
        )
        if made.state == Adjustment.State.AWAITING:
            return "Requested. Nothing has moved: somebody else decides about it."
        return f"{plain_credits(made.credits, is_signed=True)} credits: done."


class ReleaseHold(Action):
    """End an open hold, so that its credits can be spent again."""

    slug = "release-hold"
    title = "Release the hold"
    right = "credits.release_hold"
    needs_target = True

    def about(self, *, form: ActionForm, staff: Staff) -> str:
        hold = find_hold(form)
        job = hold.operation.replace("_", " ").capitalize()
        return f"{job}, since {hold.created_at:%Y-%m-%d %H:%M}: {plain_credits(hold.credits)} credits are held."

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        hold = find_hold(form)
        return Preview(
            [
                f"{plain_credits(hold.credits)} credits, held for {hold.operation.replace('_', ' ')} since"
                f" {hold.created_at:%Y-%m-%d %H:%M}, go back to where they came from.",
                "If the job still runs, its worker will not be paid and withholds the output.",
            ]
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        hold = services.release_hold_by_staff(staff=staff, hold_id=find_hold(form).public_id, now=form.now)
        return f"The hold is released: {plain_credits(hold.credits)} credits are free again."


class DecideAdjustment(Action):
    """What approving and rejecting have in common."""

    right = "credits.approve_adjustment"
    needs_target = True

    def find(self, form: ActionForm, staff: Staff) -> Adjustment:
        """Return the person's adjustment that the form is about, if this member of staff may decide about it."""
        return services.find_decidable(staff=staff, user=form.user, adjustment_id=form.target)

    def about(self, *, form: ActionForm, staff: Staff) -> str:
        asked = self.find(form, staff)
        credits = plain_credits(asked.credits, is_signed=True)
        return f"{credits} credits, asked for by {asked.requested_by.email}: {asked.note}"


class ApproveAdjustment(DecideAdjustment):
    """Let an adjustment above somebody's limit happen."""

    slug = "approve-adjustment"
    title = "Approve the adjustment"

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        asked = self.find(form, staff)
        services.refuse_ended(asked, form.now)
        available = selectors.get_balance(account_id=form.user.pk, now=form.now).available
        if -asked.credits > available:
            raise services.InsufficientCredits(required=-asked.credits, available=available)
        return Preview(
            [
                f"{asked.requested_by.email} asked for it on {asked.requested_at:%Y-%m-%d %H:%M}:"
                f" {asked.get_reason_display()}. {asked.note}",
                f"{plain_credits(asked.credits, is_signed=True)} credits for {form.user.email}, now.",
            ],
            [("Available", plain_credits(available), f"{plain_credits(available + asked.credits)}, less debt if any")],
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        asked = self.find(form, staff)
        services.decide_adjustment(staff=staff, adjustment_id=asked.pk, is_approved=True, now=form.now)
        return f"Approved: {plain_credits(asked.credits, is_signed=True)} credits."


class RejectAdjustment(DecideAdjustment):
    """Refuse an adjustment above somebody's limit."""

    slug = "reject-adjustment"
    title = "Reject the adjustment"
    is_dangerous = True

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        asked = self.find(form, staff)
        return Preview(
            [
                f"{plain_credits(asked.credits, is_signed=True)} credits, asked for by {asked.requested_by.email}, are"
                " refused for good. Nothing moves. Whoever asked can ask again."
            ]
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        asked = self.find(form, staff)
        services.decide_adjustment(staff=staff, adjustment_id=asked.pk, is_approved=False, now=form.now)
        return "Rejected. Nothing has moved."


def find_hold(form: ActionForm) -> Hold:
    """Return the person's hold that the form is about.

    :raises credits.services.UnknownHold: it is nobody's, or somebody else's.
    """
    hold = selectors.get_hold(hold_id=form.target)
    if hold is None or hold.account_id != form.user.pk:
        raise services.UnknownHold("They have no such hold.")
    return hold


class Freeze(Action):
    """Stop an account from spending."""

    slug = "freeze"
    title = "Freeze the account"
    right = "credits.freeze_account"
    is_dangerous = True

    def is_offered(self, *, user: User, now: datetime) -> bool:
        return services.STAFF_CAUSE not in selectors.frozen_causes(account_id=user.pk)

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        before = selectors.frozen_causes(account_id=form.user.pk)
        return Preview(
            ["No new jobs and no checkout from now on. Jobs that run may finish. Nothing is taken."],
            [("Frozen for", causes_text(before), causes_text([*before, services.STAFF_CAUSE]))],
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        is_new = services.freeze_by_staff(staff=staff, account_id=form.user.pk, now=form.now)
        return "The account is frozen." if is_new else "Staff had frozen the account already."


class ThawForm(ActionForm):
    cause = forms.ChoiceField(label="Frozen for", widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        causes = selectors.frozen_causes(account_id=self.user.pk)
        self.fields["cause"].choices = [(cause, cause) for cause in causes]  # type: ignore[attr-defined]


class Thaw(Action):
    """Take away one cause that freezes an account."""

    slug = "thaw"
    title = "Thaw the account"
    right = "credits.freeze_account"
    form_class = ThawForm

    def is_offered(self, *, user: User, now: datetime) -> bool:
        return bool(selectors.frozen_causes(account_id=user.pk))

    def initial(self, *, user: User, target: str, now: datetime) -> Mapping[str, Any]:
        return {"cause": next(iter(selectors.frozen_causes(account_id=user.pk)), "")}

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        before = selectors.frozen_causes(account_id=form.user.pk)
        after = [cause for cause in before if cause != form.cleaned_data["cause"]]
        sentence = "They can start jobs and buy again." if not after else "The account stays frozen for what is left."
        return Preview([sentence], [("Frozen for", causes_text(before), causes_text(after))])

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        cause = form.cleaned_data["cause"]
        services.thaw_by_staff(staff=staff, account_id=form.user.pk, cause=cause, now=form.now)
        return f"“{cause}” no longer freezes the account."


def causes_text(causes: list[str]) -> str:
    return ", ".join(causes) or "nothing"


for order, action in enumerate((Adjust(), Freeze(), Thaw(), ReleaseHold(), ApproveAdjustment(), RejectAdjustment())):
    backoffice.actions.add(action, name=action.slug, right=action.right, order=10 + order)
