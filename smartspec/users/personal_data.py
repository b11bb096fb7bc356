"""What is held of a person as such: who they are, where they log in, what was sent to them, what staff did."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession

from smartspec import backoffice
from smartspec.exports import Row, pick
from smartspec.users import selectors, services
from smartspec.users.models import ApiKey, LogInPlace, SentMail, StaffAction, User


@backoffice.exporters(order=10)
def person(user: User, now: datetime) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "language": user.language,
        "email_verified": selectors.has_verified_email(user),
        "created_at": user.created_at,
        "last_login_at": user.last_login,
    }


@backoffice.exporters(order=11)
def email_addresses(user: User, now: datetime) -> Iterator[Row]:
    return pick(EmailAddress.objects.filter(user=user).order_by("pk"), "email", "verified", "primary")


@backoffice.exporters(order=12)
def devices(user: User, now: datetime) -> Iterator[Row]:
    sessions = UserSession.objects.filter(user=user).order_by("pk")
    return pick(sessions, "user_agent", "ip", "created_at", "last_seen_at")


@backoffice.exporters(order=16)
def log_in_places(user: User, now: datetime) -> Iterator[Row]:
    return pick(LogInPlace.objects.filter(user=user).order_by("pk"), "network", "last_at")


@backoffice.exporters(order=15)
def second_factors(user: User, now: datetime) -> Iterator[Row]:
    return pick(Authenticator.objects.filter(user=user).order_by("pk"), "type", "created_at", "last_used_at")


@backoffice.exporters(order=13)
def api_keys(user: User, now: datetime) -> Iterator[Row]:
    keys = ApiKey.objects.filter(user=user).order_by("created_at", "pk")
    return pick(keys, "name", "prefix", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")


@backoffice.exporters(order=14)
def mails(user: User, now: datetime) -> Iterator[Row]:
    return pick(SentMail.objects.filter(user=user).order_by("pk"), "template", "cause", "sent_at")


@backoffice.exporters(order=90)
def actions_of_staff(user: User, now: datetime) -> Iterator[Row]:
    actions = StaffAction.objects.filter(whom=user).order_by("created_at", "pk")
    return pick(actions, "action", "reference_type", "reference_id", "reason", "before", "after", "created_at")


@backoffice.erasers(order=100)  # the others find the person by what this takes away
def forget_person(user: User, now: datetime) -> None:
    services.finish_erasure(user=user, now=now)
