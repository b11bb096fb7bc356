"""Webhooks that go wrong on purpose: duplicated, out of order, late, lost.

https://docs.stripe.com/webhooks#best-practices
"""

import secrets
from dataclasses import dataclass
from typing import Literal

from django.db.models import F, Q

from billing.sandbox.models import WebhookFault

Effect = Literal["duplicate", "reorder", "delay", "drop"]
DELAY_SECONDS = 60
PRIORITIES = 10  # 0 to 9: Stripe's sending never comes before the server's own effects


@dataclass(frozen=True)
class Plan:
    """How one delivery goes: so many times, so late, and at which place among those that wait (higher is earlier)."""

    copies: int = 1
    in_seconds: int = 0
    priority: int = 0
    is_dropped: bool = False


def add_fault(
    effect: Effect, *, event_type: str = "*", remaining: int | None = None, seconds: int = DELAY_SECONDS
) -> WebhookFault:
    """This will let webhooks of a type (`invoice.*` and `*` are many) go wrong: the next `remaining`, or all."""
    return WebhookFault.objects.create(
        effect=effect, event_type=event_type, remaining=remaining, seconds=seconds if effect == "delay" else 0
    )


def clear_faults() -> int:
    """This will let all webhooks go right again, and return how many faults that ends."""
    return WebhookFault.objects.all().delete()[0]


def list_faults() -> list[WebhookFault]:
    """This will return the faults in force, the oldest first."""
    return list(WebhookFault.objects.exclude(remaining=0).order_by("pk"))


def plan_delivery(event_type: str) -> Plan:
    """This will say how the next delivery of this type goes, and count it off what its faults have left."""
    effects: dict[str, WebhookFault] = {}
    for fault in WebhookFault.objects.exclude(remaining=0).order_by("pk"):
        if _covers(fault.event_type, event_type) and fault.effect not in effects:
            effects[fault.effect] = fault
    if not effects:
        return Plan()
    chosen = Q(pk__in=[fault.pk for fault in effects.values()], remaining__isnull=False)
    WebhookFault.objects.filter(chosen).update(remaining=F("remaining") - 1)
    return Plan(
        copies=2 if "duplicate" in effects else 1,
        in_seconds=effects["delay"].seconds if "delay" in effects else 0,
        priority=secrets.randbelow(PRIORITIES) if "reorder" in effects else 0,
        is_dropped="drop" in effects,
    )


def _covers(pattern: str, event_type: str) -> bool:
    return event_type.startswith(pattern[:-1]) if pattern.endswith("*") else event_type == pattern
