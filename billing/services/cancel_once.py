"""Ending a subscription once for each Idempotency-Key. The key is kept on a change of plan: to Free."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from billing import selectors
from billing.models import PlanChange, Subscription
from billing.services.cancellations import cancel_subscription, end_subscription
from billing.services.exclusive import SubscriptionEnded, changing
from billing.services.keys import claim_key, find_by_key, hash_request, key_back_on_refusal
from billing.services.plan_changes import DONE, FREE, SCHEDULED
from smartspec.users.models import User


@dataclass(frozen=True)
class Cancelled:
    """What became of a subscription. `is_replay`: the first answer to this Idempotency-Key, given again."""

    subscription_id: str
    cancel_at_period_end: bool
    current_period_end: datetime
    is_replay: bool = False


def cancel_subscription_once(
    *, user: User, subscription_id: str, at_period_end: bool, now: datetime, idempotency_key: str | None
) -> Cancelled:
    """This will end a subscription as `cancel_subscription` does, and answer the same key as it did first.

    :raises IdempotencyConflict: the key was used with another body.
    """
    if idempotency_key is None:
        return outcome(
            cancel_subscription(user=user, subscription_id=subscription_id, at_period_end=at_period_end, now=now)
        )
    # A key is of one operation: a change of plan may have the same.
    key = f"cancel:{hashlib.sha256(idempotency_key.encode()).hexdigest()}"
    request_hash = hash_request({"subscription_id": subscription_id, "at_period_end": at_period_end})
    try:
        change = find_by_key(PlanChange, user, key, request_hash)
        if change is not None and change.answer is not None:
            return replay(change)
        with changing(user=user, subscription_id=subscription_id, now=now) as subscription:
            change = find_by_key(PlanChange, user, key, request_hash)
            if change is not None and change.answer is not None:
                return replay(change)
            change = change or claim_key(
                PlanChange(
                    user=user,
                    subscription=subscription,
                    plan=FREE,
                    interval=subscription.interval,
                    idempotency_key=key,
                    request_hash=request_hash,
                    created_at=now,
                )
            )
            return carry_out_once(change, subscription, at_period_end=at_period_end, now=now)
    except SubscriptionEnded:
        change = find_by_key(PlanChange, user, key, request_hash)
        if change is None:
            raise
        return replay(change)  # another request with this key has ended it meanwhile, or died before it could say so


def carry_out_once(change: PlanChange, subscription: Subscription, *, at_period_end: bool, now: datetime) -> Cancelled:
    """End the subscription of a claimed key and keep the answer; a refusal gives the key back."""
    with key_back_on_refusal(change):
        cancelled = outcome(end_subscription(subscription, at_period_end=at_period_end, now=now))
    answer = asdict(cancelled) | {"current_period_end": cancelled.current_period_end.isoformat()}
    PlanChange.objects.filter(pk=change.pk).update(answer=answer | {"status": SCHEDULED if at_period_end else DONE})
    return cancelled


def outcome(subscription: Subscription, *, is_replay: bool = False) -> Cancelled:
    return Cancelled(
        subscription_id=subscription.pk,
        cancel_at_period_end=selectors.ends_with_period(subscription),
        current_period_end=subscription.current_period_end,
        is_replay=is_replay,
    )


def replay(change: PlanChange) -> Cancelled:
    """Return the first answer; where none could be kept, what the subscription says of itself."""
    stored: dict[str, Any] | None = change.answer
    if stored is None:
        return outcome(change.subscription, is_replay=True)
    return Cancelled(
        stored["subscription_id"],
        stored["cancel_at_period_end"],
        datetime.fromisoformat(stored["current_period_end"]),
        is_replay=True,
    )
