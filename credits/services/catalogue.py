"""What staff change about plans and rates. What was priced stays as it was."""

from datetime import datetime

from django.db import transaction

from credits import catalogue
from credits.models import Plan, Rate
from credits.modifiers import UNITS, check_modifiers
from smartspec.errors import DomainError
from smartspec.users import services as users_services
from smartspec.users.services import Staff


class RateInEffect(DomainError):
    """A rate that has begun is never changed: another begins later."""

    code, status, title = "rate_in_effect", 409, "This rate is in effect"


def save_plan(*, staff: Staff, plan: Plan, now: datetime) -> None:
    """This will change what a plan gives; allowances already given stay.

    :raises users_services.NotPermitted, users_services.ReasonMissing: see `users_services.record_action`.
    """
    users_services.save_by_staff(staff=staff, row=plan, now=now)
    transaction.on_commit(catalogue.forget)


def save_rate(*, staff: Staff, rate: Rate, now: datetime) -> None:
    """This will announce a rate, or correct one that has not begun. What it is counted in follows from its operation.

    :raises RateInEffect: it would begin, or has begun, by now.
    :raises InvalidModifiers: no price could be computed from it.
    :raises users_services.NotPermitted, users_services.ReasonMissing: see `users_services.record_action`.
    """
    require_planned(rate, now)
    if not rate._state.adding:
        require_planned(Rate.objects.get(pk=rate.pk), now)
    operation = Rate.Operation(rate.operation)
    check_modifiers(rate.modifiers, operation)
    rate.unit = UNITS[operation]
    users_services.save_by_staff(staff=staff, row=rate, now=now)
    transaction.on_commit(catalogue.forget)


def withdraw_rate(*, staff: Staff, rate: Rate, now: datetime) -> None:
    """This will give up a rate that has not begun.

    :raises RateInEffect: it has begun.
    :raises users_services.NotPermitted, users_services.ReasonMissing: see `users_services.record_action`.
    """
    require_planned(rate, now)
    users_services.delete_by_staff(staff=staff, row=rate, now=now)
    transaction.on_commit(catalogue.forget)


def require_planned(rate: Rate, now: datetime) -> None:
    if rate.effective_from <= now:
        raise RateInEffect("This rate has begun. Announce another that begins later.")
