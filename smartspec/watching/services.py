"""Telling operators, and keeping what slow proofs found."""

from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.db import DatabaseError
from django.template.loader import render_to_string

from smartspec.logs import get_logger
from smartspec.watching import selectors
from smartspec.watching.models import Alert, Proof
from smartspec.watching.words import Condition

log = get_logger(__name__)

TELLING = "watching.telling"
TELLING_SECONDS = 60  # whoever was killed over it keeps nobody from telling for longer


def alert(*, now: datetime) -> None:
    """This will look at every condition and `tell` operators."""
    tell(conditions=selectors.look(now=now), now=now)


def tell(*, conditions: list[Condition], now: datetime) -> None:
    """This will mail operators about what broke, and about what holds again, once each.

    What could not be mailed is mailed by the next call. When the database keeps nothing, a file does.

    :raises OSError: the mail server does not take the mail.
    """
    broken = [condition for condition in conditions if not condition.holds]
    try:
        _note(broken, now)
        is_alone = cache.add(TELLING, True, TELLING_SECONDS)
    except DatabaseError as error:
        _tell_without_database(broken, error)
        return
    if not is_alone:
        return  # who tells just now has seen the same, or the next call will
    try:
        _tell_of_alerts(broken)
    finally:
        cache.delete(TELLING)


def _tell_of_alerts(broken: list[Condition]) -> None:
    names = [condition.name for condition in broken]
    untold = set(Alert.objects.filter(pk__in=names, is_told=False).values_list("pk", flat=True))
    over = list(Alert.objects.exclude(pk__in=names).order_by("pk").values_list("pk", flat=True))
    if _mail([condition for condition in broken if condition.name in untold], over):
        Alert.objects.filter(pk__in=untold).update(is_told=True)
    Alert.objects.filter(pk__in=over).delete()
    for name in over:
        log.info("Condition holds again", condition=name)


def _note(broken: list[Condition], now: datetime) -> None:
    """Keep what does not hold, and that the database did not: now it does."""
    for condition in broken:
        _, is_new = Alert.objects.update_or_create(
            pk=condition.name,
            defaults={"detail": condition.detail},
            create_defaults={"detail": condition.detail, "broken_at": now},
        )
        if is_new:
            log.error("Condition broken", condition=condition.name, detail=condition.detail)
    if _told_without_database().exists():
        Alert.objects.update_or_create(
            pk="database", defaults={"detail": "was away", "broken_at": now, "is_told": True}
        )
        _told_without_database().unlink(missing_ok=True)


def _tell_without_database(broken: list[Condition], error: DatabaseError) -> None:
    if all(condition.name != "database" for condition in broken):
        broken = [selectors.broken_database(error, "cannot be written"), *broken]
    if not _told_without_database().exists() and _mail(broken, []):
        _told_without_database().touch()


def _told_without_database() -> Path:
    """Return the file that is there while operators have been told that the database is not."""
    return Path(settings.DATA_DIR) / "database-alert-told"


def _mail(news: list[Condition], over: list[str]) -> bool:
    """Tell whether anything was sent."""
    if not settings.OPERATOR_EMAILS or not (news or over):
        return False
    message = EmailMessage(
        subject=render_to_string("mail/operators.subject.txt", {"news": news, "over": over}).strip(),
        body=render_to_string("mail/operators.txt", {"news": news, "over": over, "site_url": settings.SITE_URL}),
        to=settings.OPERATOR_EMAILS,
    )
    return bool(message.send())


def record_proof(*, name: str, holds: bool, detail: str, now: datetime) -> None:
    """This will keep what a slow proof found, in place of what it found before."""
    Proof.objects.update_or_create(pk=name, defaults={"holds": holds, "detail": detail, "checked_at": now})
