"""A person's credits: what they have, where it is, and what they had."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.urls import reverse

from credits import selectors, services
from credits.models import Adjustment, Grant
from smartspec import backoffice
from smartspec.admin import badge, cut, plain_credits
from smartspec.backoffice import ActionLink, Alert, Fact, Panel, wide
from smartspec.users.models import User

ROWS_SHOWN = 25
SOON = timedelta(days=7)
ADJUSTMENT_COLOURS = {"awaiting": "warning", "done": "success", "rejected": "danger"}


@backoffice.facts(right="credits.view_account", order=10)
def credits_now(user: User, now: datetime) -> list[Fact]:
    """What they can spend, what is held and owed, and what freezes them."""
    balance = selectors.get_balance(account_id=user.pk, now=now)
    facts = [
        Fact(
            "Available",
            plain_credits(balance.available),
            f"balance {plain_credits(balance.balance)}",
            "danger" if not balance.available else "",
        ),
        Fact("Held", plain_credits(balance.held), "for jobs that run" if balance.held else ""),
        Fact("Debt", plain_credits(balance.debt), tone="danger" if balance.debt else ""),
        Fact("Used this period", plain_credits(balance.used), f"until {balance.period_end:%Y-%m-%d}"),
    ]
    causes = selectors.frozen_causes(account_id=user.pk)
    if causes:
        why = ", ".join(sorted({cause.split(":")[0] for cause in causes}))
        facts.append(Fact("Frozen", "yes", f"{why}: no jobs, no checkout", "danger"))
    return facts


@backoffice.alerts(right="credits.view_account", order=50)
def standing(user: User, now: datetime) -> Iterable[Alert]:
    """Why they have less than they think: debt, an adjustment that waits, staff who froze the account."""
    debt = selectors.get_balance(account_id=user.pk, now=now).debt
    if debt:
        yield Alert(
            f"They owe {plain_credits(debt)} credits that were taken back after they had been spent (a refund or a"
            " dispute): whatever credits come next pay that first."
        )
    for asked in selectors.list_adjustments(user_id=user.pk, limit=ROWS_SHOWN):
        if asked.state == Adjustment.State.AWAITING:
            yield Alert(
                f"{asked.requested_by.email} asked for {plain_credits(asked.credits, is_signed=True)} credits, which"
                f" wait for somebody else's approval: {asked.note}",
                action=ActionLink("approve-adjustment", str(asked.pk), "Approve …"),
                tone="primary",
            )
    if services.STAFF_CAUSE in selectors.frozen_causes(account_id=user.pk):
        yield Alert(
            "Staff froze the account: no new jobs and no checkout. The staff actions below say why.",
            action=ActionLink("thaw", "", "Thaw …"),
            tone="danger",
        )


@backoffice.balances(right="credits.view_entry")
def balance_then(user: User, at: datetime) -> Fact:
    """What they had at a moment."""
    balance = selectors.balance_at(account_id=user.pk, at=at)
    return Fact("credits", plain_credits(balance), "Available and held, less debt. The timeline says why.")


@backoffice.panels(right="credits.view_grant", order=20)
def lots(user: User, now: datetime) -> list[Panel]:
    """What is left of what they were given, in the order in which it is spent."""
    rows = [
        (
            f"{number}.",
            lot.get_kind_display().capitalize(),
            plain_credits(lot.remaining),
            plain_credits(lot.credits),
            f"{lot.effective_at:%Y-%m-%d}",
            ends_text(lot, now),
            wide(lot.source),
        )
        for number, lot in enumerate(selectors.list_lots(account_id=user.pk, now=now, limit=ROWS_SHOWN), start=1)
    ]
    columns = ("", "Lot", "Left", "Given", "On", "Ends", "Source")
    hint = "In the order in which they are spent."
    return [Panel("Lots", columns, rows, empty="Nothing is left to spend.", hint=hint if rows else "")]


def ends_text(lot: Grant, now: datetime) -> str:
    if lot.expires_at is None:
        return "never"
    text = f"{lot.expires_at:%Y-%m-%d %H:%M}"
    return badge(text, "warning") if lot.expires_at <= now + SOON else text


@backoffice.panels(right="credits.view_hold", order=30)
def open_holds(user: User, now: datetime) -> list[Panel]:
    """What is reserved for jobs that run."""
    holds = selectors.list_holds(account_id=user.pk, now=now, status="open")[:ROWS_SHOWN]
    rows = [
        (
            hold.operation.replace("_", " "),
            hold.model_id or "–",
            plain_credits(hold.credits),
            f"{hold.created_at:%Y-%m-%d %H:%M}",
            f"{hold.expires_at:%H:%M}",
            hold.reference_id or "–",
            ActionLink("release-hold", hold.public_id, "Release …"),
        )
        for hold in holds
    ]
    columns = ("Job", "Model", "Held", "Since", "Until", "Reference", "")
    return [Panel("Open holds", columns, rows)] if rows else []


@backoffice.panels(right="credits.view_adjustment", order=35)
def adjustments(user: User, now: datetime) -> list[Panel]:
    """What staff gave and took, and what waits for a second person."""
    rows = [
        (
            plain_credits(made.credits, is_signed=True),
            badge(made.get_state_display(), ADJUSTMENT_COLOURS[made.state]),
            cut(made.requested_by.email),
            wide(f"{made.requested_at:%Y-%m-%d %H:%M} {made.get_reason_display()}: {made.note}"),
            cut(made.decided_by.email) if made.decided_by else "–",
            ActionLink("approve-adjustment", str(made.pk), "Approve …") if made.state == "awaiting" else "",
            ActionLink("reject-adjustment", str(made.pk), "Reject …") if made.state == "awaiting" else "",
        )
        for made in selectors.list_adjustments(user_id=user.pk, limit=ROWS_SHOWN)
    ]
    columns = ("Credits", "State", "By", "Why", "Decided by", "", "")
    hint = f"All: {reverse('admin:credits_adjustment_changelist')}?q={user.pk}"
    return [Panel("Adjustments", columns, rows, hint="" if len(rows) < ROWS_SHOWN else hint)] if rows else []
