"""Corrections by staff: within the limit of their role at once, above it by a second person's decision."""

from datetime import UTC, datetime, time
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Abs

from credits.models import Adjustment
from credits.services.checks import IdempotencyConflict, UnknownAccount, checked_credits
from credits.services.grants import adjust
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.users import services as users_services
from smartspec.users.models import User
from smartspec.users.services import Staff

log = get_logger(__name__)

ADJUST = "credits.adjust_credits"
APPROVE = "credits.approve_adjustment"
GIVEN, TAKEN = "Credits given by support", "Credits taken by support"


class UnknownAdjustment(DomainError):
    """There is no such adjustment."""

    code, status, title = "not_found", 404, "Not Found"


class OwnAdjustment(DomainError):
    """Nobody decides about what they asked for themselves."""

    code, status, title = "own_adjustment", 403, "Not your own"


class AlreadyDecided(DomainError):
    """Somebody has decided about this adjustment."""

    code, status, title = "already_decided", 409, "Already decided"


class EndsTooSoon(DomainError):
    """Credits that are given end in the future, or never; credits that are taken have no end."""

    code, status, title = "ends_too_soon", 422, "Not an end"


def adjust_by_staff(
    *,
    staff: Staff,
    account_id: UUID,
    credits: Decimal,
    key: UUID,
    now: datetime,
    expires_at: datetime | None = None,
) -> Adjustment:
    """This will give (above zero) or take credits, once per `key`; or, above the limit of the role, ask for it.

    The ledger moves now when the answer's state is `done`, and not at all while it is `awaiting`.

    :raises smartspec.users.services.NotPermitted: the role does not allow adjustments.
    :raises smartspec.users.services.ReasonMissing: no reason out of the list, or no note.
    :raises EndsTooSoon: `expires_at` is not in the future, or credits are taken.
    :raises InvalidCredits, InsufficientCredits, IdempotencyConflict, UnknownAccount: as `adjust`.
    """
    users_services.require_right(staff, ADJUST)
    credits = checked_credits(credits, signed=True)
    if expires_at is not None and (credits < 0 or expires_at <= now):
        raise EndsTooSoon("Credits that are given end in the future, or never. Credits that are taken have no end.")
    with transaction.atomic():
        # Who asks is the lock under which their day's sum is counted: two clicks at once cannot pass it together.
        User.objects.select_for_update(no_key=True).get(pk=staff.user.pk)
        known = Adjustment.objects.filter(pk=key).first()
        if known is not None:
            if (known.user_id, known.credits, known.expires_at) != (account_id, credits, expires_at):
                raise IdempotencyConflict("This form was sent before with other content. Open it again.")
            return known
        user = User.objects.filter(pk=account_id).first()
        if user is None:
            raise UnknownAccount(account_id)
        users_services.forbid_own(staff, user)
        adjustment = Adjustment(
            id=key,
            user=user,
            credits=credits,
            expires_at=expires_at,
            reason=staff.reason,
            note=users_services.note_about(staff, user),
            requested_by=staff.user,
            requested_at=now,
        )
        if limit_exceeded(staff=staff, credits=credits, now=now):
            adjustment.state = Adjustment.State.AWAITING
            record(staff, "request_adjustment", adjustment, now, state_before="")
        else:
            carry_out(staff, "adjust_credits", adjustment, now)
        adjustment.save(force_insert=True)
    return adjustment


def decide_adjustment(*, staff: Staff, adjustment_id: UUID, is_approved: bool, now: datetime) -> Adjustment:
    """This will let a different person approve an adjustment, which moves the ledger once, or reject it.

    The same decision by the same person again changes nothing.

    :raises smartspec.users.services.NotPermitted: the role does not allow approvals, or the credits are their own.
    :raises OwnAdjustment: they asked for it themselves.
    :raises AlreadyDecided: it was decided otherwise, or by somebody else.
    :raises UnknownAdjustment: there is none.
    :raises EndsTooSoon: approved when its end has passed; it stays undecided.
    :raises InsufficientCredits: less is available than would be taken; it stays undecided.
    """
    users_services.require_right(staff, APPROVE)
    with transaction.atomic():
        adjustment = Adjustment.objects.select_for_update().filter(pk=adjustment_id).first()
        if adjustment is None:
            raise UnknownAdjustment("There is no such adjustment.")
        users_services.forbid_own(staff, adjustment.user)
        refuse_own(adjustment, staff)
        decided = Adjustment.State.DONE if is_approved else Adjustment.State.REJECTED
        if adjustment.state != Adjustment.State.AWAITING:
            if (adjustment.state, adjustment.decided_by) != (decided, staff.user):
                raise AlreadyDecided(f"This adjustment is {adjustment.get_state_display()} already.")
            return adjustment
        adjustment.decided_by, adjustment.decided_at = staff.user, now
        adjustment.decision_note = users_services.note_about(staff, adjustment.user)
        if is_approved:
            refuse_ended(adjustment, now)
            carry_out(staff, "approve_adjustment", adjustment, now)
        else:
            adjustment.state = Adjustment.State.REJECTED
            record(staff, "reject_adjustment", adjustment, now, state_before=Adjustment.State.AWAITING)
        adjustment.save()
    return adjustment


def find_decidable(*, staff: Staff, user: User, adjustment_id: str) -> Adjustment:
    """Return a person's adjustment about which a member of staff may decide, or has decided.

    :raises smartspec.users.services.NotPermitted: the role does not allow approvals, or the credits are their own.
    :raises UnknownAdjustment: the person has none such.
    :raises OwnAdjustment: this member of staff asked for it.
    """
    users_services.require_right(staff, APPROVE)
    try:
        found = Adjustment.objects.select_related("requested_by").filter(pk=UUID(adjustment_id), user=user).first()
    except ValueError:
        found = None
    if found is None:
        raise UnknownAdjustment("There is no such adjustment.")
    users_services.forbid_own(staff, user)
    refuse_own(found, staff)
    return found


def refuse_own(adjustment: Adjustment, staff: Staff) -> None:
    """:raises OwnAdjustment: this member of staff asked for it."""
    if adjustment.requested_by_id == staff.user.pk:
        log.warning("Refused to decide about one's own adjustment", actor_id=str(staff.user.pk))
        raise OwnAdjustment("You asked for this adjustment yourself: somebody else has to decide.")


def refuse_ended(adjustment: Adjustment, now: datetime) -> None:
    """:raises EndsTooSoon: what it would give has ended while it waited."""
    if adjustment.expires_at is not None and adjustment.expires_at <= now:
        raise EndsTooSoon(
            f"These credits would have ended on {adjustment.expires_at:%Y-%m-%d %H:%M} (UTC). Reject it; whoever asked"
            " can ask again, with a later end."
        )


def carry_out(staff: Staff, action: str, adjustment: Adjustment, now: datetime) -> None:
    """Move the ledger, and write down the balance before and after."""
    entry = adjust(
        account_id=adjustment.user_id,
        credits=adjustment.credits,
        reason=GIVEN if adjustment.credits > 0 else TAKEN,  # the customer reads it; the note is for staff
        idempotency_key=f"adjustment:{adjustment.pk}",
        now=now,
        actor=str(adjustment.pk),
        expires_at=adjustment.expires_at,
    ).entry
    balances = (entry.balance_before, entry.balance_after)
    state_before = Adjustment.State.AWAITING if adjustment.decided_by else ""
    adjustment.state, adjustment.entry_number = Adjustment.State.DONE, entry.number
    record(staff, action, adjustment, now, state_before=state_before, balances=balances)


def record(
    staff: Staff,
    action: str,
    adjustment: Adjustment,
    now: datetime,
    *,
    state_before: str,
    balances: tuple[Decimal, Decimal] | None = None,
) -> None:
    users_services.record_action(
        staff=staff,
        action=action,
        whom=adjustment.user,
        reference_type="adjustment",
        reference_id=str(adjustment.pk),
        before={"state": str(state_before)} | ({"balance": str(balances[0])} if balances else {}),
        after={"credits": str(adjustment.credits), "state": str(adjustment.state)}
        | ({"balance": str(balances[1])} if balances else {}),
        now=now,
    )


def limits_of(user: User) -> tuple[Decimal, Decimal]:
    """Return how many credits a person may adjust alone, in one action and on one day: the best of their roles'."""
    roles = set(user.groups.values_list("name", flat=True)) | ({"Admin"} if user.is_superuser else set())
    limits = [settings.STAFF_ADJUSTMENT_LIMITS[role] for role in roles if role in settings.STAFF_ADJUSTMENT_LIMITS]
    return Decimal(max((one for one, _ in limits), default=0)), Decimal(max((day for _, day in limits), default=0))


def adjusted_today(*, user: User, now: datetime) -> Decimal:
    """Return how many credits a person has adjusted alone on this day (UTC), given and taken alike."""
    today = datetime.combine(now.astimezone(UTC).date(), time(), tzinfo=UTC)
    done = Adjustment.objects.filter(
        requested_by=user, requested_at__gte=today, state=Adjustment.State.DONE, decided_by=None
    )
    return done.aggregate(total=Sum(Abs("credits")))["total"] or Decimal(0)


def limit_exceeded(*, staff: Staff, credits: Decimal, now: datetime) -> str:
    """Return why an adjustment needs a second person, or an empty text when it does not."""
    per_action, per_day = limits_of(staff.user)
    if abs(credits) > per_action:
        return f"Your role adjusts up to {per_action:,f} credits at once."
    so_far = adjusted_today(user=staff.user, now=now)
    if abs(credits) + so_far > per_day:
        return f"Your role adjusts up to {per_day:,f} credits a day; today you have adjusted {so_far.normalize():,f}."
    return ""
