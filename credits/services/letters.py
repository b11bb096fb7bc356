"""What users are told by mail about their credits: each once per cause."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from credits.selectors import running_out
from smartspec import mail


def warn_of_low_balances(*, now: datetime) -> int:
    """This will tell who has less than a fifth of their monthly credits, or none, once for each and period.

    Whether a plan goes on is known to an app above: the setting COMING_CREDITS names its selector, `(user, now)` to the
    next monthly credits, something with `.credits` and `.at`, or None.
    """
    told, coming_credits = 0, import_string(settings.COMING_CREDITS)
    for level, is_empty in (("empty", True), ("low", False)):
        for account in running_out.iterate_low_accounts(now=now, is_empty=is_empty):
            with transaction.atomic():
                told += mail.send_mail_once(
                    user=account.user,
                    template=running_out.LOW_BALANCE_MAIL,
                    cause=f"{level}:{account.period_start_at:%Y-%m-%dT%H:%M:%SZ}",
                    context={
                        "available": account.available,
                        "monthly_allowance": account.plan.monthly_credits,
                        "coming": coming_credits(user=account.user, now=now),
                    },
                    now=now,
                )
    return told


def warn_of_expiring_credits(*, now: datetime) -> int:
    """This will tell whose credits end within 7 days, once for each day on which some do."""
    told = 0
    for ending in running_out.iterate_expiring_lots(now=now):
        with transaction.atomic():
            told += mail.send_mail_once(
                user=ending.user,
                template=running_out.CREDITS_EXPIRE_MAIL,
                cause=f"{ending.day:%Y-%m-%d}",
                context={"credits": ending.credits, "expires_at": ending.expires_at},
                now=now,
            )
    return told
