"""Who calls in the bench: people with credits, a history and a session, a worker's key, and their webhooks."""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from djstripe.models import WebhookEndpoint

from billing import services
from billing.sandbox import seed, store
from billing.sandbox.services import acting, faults
from billing.sandbox.services.deliveries import sign
from credits import services as credits_services
from smartspec import clock
from smartspec.users import services as users_services
from smartspec.users.models import User

CREDITS = Decimal(10_000_000)  # never used up, so that the last second does what the first did
JOBS = 25  # in everybody's history
PURCHASED = 100
EVENT_TYPE = "checkout.session.completed"

Event = dict[str, Any]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Person:
    """One caller."""

    user: User
    headers: dict[str, str]


@dataclass(frozen=True)
class Cast:
    """Everybody who calls. `event` is about a purchase of somebody's that was fulfilled."""

    people: Sequence[Person]
    worker: dict[str, str]
    event: Event
    peer_path: str


def gather(*, count: int, progress: Progress) -> Cast:
    """Fill an empty database with the sandbox's account, so many people, and a purchase whose webhook is repeated."""
    now = clock.now()
    seed.seed(now, f"{settings.SITE_URL}/api/webhooks/stripe")
    faults.add_fault("drop")  # the bench brings webhooks itself
    progress(f"{count:,} people with {JOBS} jobs each")
    people = [make_person(number) for number in range(count)]
    key = users_services.create_service_key(name="bench", scopes=["credits:spend"], now=now).secret
    endpoint = WebhookEndpoint.objects.create(
        id="we_bench",
        url=f"{settings.SITE_URL}/bench/stripe/",
        secret=settings.STRIPE_WEBHOOK_SECRETS[0],
        enabled_events=["*"],
        status="enabled",
        livemode=False,
        djstripe_uuid=uuid.uuid4(),
    )
    event = buy(people[0].user)
    services.settle_session(session_id=event["data"]["object"]["id"], now=now)
    return Cast(
        people=people,
        worker={"Authorization": f"Api-Key {key}"},
        event=event,
        peer_path=f"/bench/stripe/webhook/{endpoint.djstripe_uuid}",
    )


def make_person(number: int) -> Person:
    """Make somebody with credits, a history and a session."""
    from smartspec.testing import make_client  # it needs what only development installs

    now = clock.now()
    user = User.objects.create_user(f"bench-{number}@smartspec.test")
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    credits_services.grant(account_id=user.pk, kind="bonus", credits=CREDITS, source="bench", now=now)
    for job in range(JOBS):
        placed = credits_services.place_hold(
            account_id=user.pk,
            operation="image_generation",
            reference_id=f"job-{job}",
            idempotency_key=f"job-{job}",
            now=now,
        )
        credits_services.capture_hold(hold_id=placed.id, now=now)
    return Person(user, {"Authorization": make_client(user).defaults["HTTP_AUTHORIZATION"]})


def buy(user: User) -> Event:
    """Let somebody buy a package and pay; return the event that tells of it, which has not been delivered."""
    opened = services.open_credits_checkout(user=user, credits_amount=PURCHASED, now=clock.now())
    acting.pay(opened.session_id, now=clock.now())
    event = store.find_first("event", name=EVENT_TYPE, data__data__object__id=opened.session_id)
    assert event is not None, "every payment has its event"  # noqa: S101
    return event


def buy_many(cast: Cast, count: int) -> list[Event]:
    """Let people buy and pay in turn; return the events that tell of it, none of which has been delivered."""
    return [buy(cast.people[number % len(cast.people)].user) for number in range(count)]


def signed(event: Event) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a webhook as Stripe sends it now."""
    body = json.dumps(event, indent=2).encode()
    secret = settings.STRIPE_WEBHOOK_SECRETS[0]
    timestamp = int(clock.now().timestamp())
    return {"Stripe-Signature": sign(body, secret=secret, timestamp=timestamp)}, body
