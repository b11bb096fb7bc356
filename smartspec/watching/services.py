"""Telling operators, and keeping what slow proofs found."""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from smartspec.logs import get_logger
from smartspec.watching import selectors
from smartspec.watching.models import Alert, Proof
from smartspec.watching.words import Condition

log = get_logger(__name__)


def alert(*, now: datetime) -> list[Condition]:
    """This will look at every condition and mail the operators about what broke, and about what holds again, once each.

    Returns the conditions that do not hold. What could not be mailed is mailed by the next call.
    """
    broken = [condition for condition in selectors.look(now=now) if not condition.holds]
    for condition in broken:
        _, is_new = Alert.objects.update_or_create(
            pk=condition.name,
            defaults={"detail": condition.detail},
            create_defaults={"detail": condition.detail, "broken_at": now},
        )
        if is_new:
            log.error("Condition broken", condition=condition.name, detail=condition.detail)
    names = [condition.name for condition in broken]
    untold = set(Alert.objects.filter(pk__in=names, is_told=False).values_list("pk", flat=True))
    over = list(Alert.objects.exclude(pk__in=names).order_by("pk").values_list("pk", flat=True))
    if untold or over:
        _mail([condition for condition in broken if condition.name in untold], over)
    Alert.objects.filter(pk__in=untold).update(is_told=True)
    Alert.objects.filter(pk__in=over).delete()
    for name in over:
        log.info("Condition holds again", condition=name)
    return broken


def _mail(news: list[Condition], over: list[str]) -> None:
    if not settings.OPERATOR_EMAILS:
        return
    EmailMessage(
        subject=render_to_string("mail/operators.subject.txt", {"news": news, "over": over}).strip(),
        body=render_to_string("mail/operators.txt", {"news": news, "over": over, "site_url": settings.SITE_URL}),
        to=settings.OPERATOR_EMAILS,
    ).send()


def record_proof(*, name: str, holds: bool, detail: str, now: datetime) -> None:
    """This will keep what a slow proof found, in place of what it found before."""
    Proof.objects.update_or_create(pk=name, defaults={"holds": holds, "detail": detail, "checked_at": now})
