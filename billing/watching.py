"""What billing gives operators to watch: webhooks, and our books beside Stripe's."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from billing import selectors
from smartspec import watching
from smartspec.watching import Condition, Gauge

WEBHOOK_DONE_WITHIN = timedelta(hours=1)
WRONG_SIGNATURES = 3  # of one payment alone Stripe sends more
RECONCILED_WITHIN = timedelta(days=2)


@watching.condition
def webhooks_done(now: datetime) -> Condition:
    late = selectors.count_unfinished_webhooks(received_before=now - WEBHOOK_DONE_WITHIN)
    return Condition(
        "webhooks_done",
        holds=not late,
        detail=f"{late} received more than an hour ago are not done" if late else "all done within the hour",
        remedy="Open the webhooks in the back-office, read the error, mend its cause, replay.",
    )


@watching.condition
def webhooks_arrive(now: datetime) -> Condition:
    """Silence alone is no fault: nobody may be buying. Payments that we learned of by ourselves alone are one."""
    unheard = selectors.count_payments_without_webhook(now=now, within=WEBHOOK_DONE_WITHIN)
    return Condition(
        "webhooks_arrive",
        holds=not unheard,
        detail=f"none for an hour, and {unheard} payments since" if unheard else "none is missing",
        remedy="See the endpoint's deliveries at Stripe, then manage.py setup_stripe and manage.py reconcile_stripe"
        " --repair.",
    )


@watching.condition
def webhooks_accepted(now: datetime) -> Condition:
    """One wrong signature is somebody's guess. Several, and no right one, are a secret that is not the endpoint's."""
    refused = selectors.count_wrong_signatures(since=now - WEBHOOK_DONE_WITHIN)
    is_wrong = refused >= WRONG_SIGNATURES and not selectors.has_webhooks(since=now - WEBHOOK_DONE_WITHIN)
    detail = f"{refused} with a wrong signature within the hour, and none with a right one"
    return Condition(
        "webhooks_accepted",
        holds=not is_wrong,
        detail=detail if is_wrong else "signatures are right",
        remedy="Compare STRIPE_WEBHOOK_SECRET with the endpoint's at Stripe; docs/operations.md says how to roll it.",
    )


@watching.condition
def reconciled(now: datetime) -> Condition:
    run = selectors.last_reconcile_run()
    if run is None:
        return Condition("reconciled", holds=True, detail="the first daily run is still to come")
    is_old = now - run.started_at > RECONCILED_WITHIN
    detail = f"{run.remaining} differences among {run.checked} objects at {run.started_at:%Y-%m-%d %H:%M} UTC"
    return Condition(
        "reconciled",
        holds=not run.remaining and not is_old,
        detail=f"{detail}, too long ago" if is_old else detail,
        remedy="manage.py reconcile_stripe --repair; what remains needs a person (docs/operations.md).",
    )


@watching.gauges
def webhooks(now: datetime) -> Iterable[Gauge]:
    yield Gauge(
        "smartspec_webhooks_open",
        "Webhooks whose effect is still to come: queued, failed (and tried again), dead.",
        {(str(state),): count for state, count in selectors.count_open_webhooks().items()},
        ("state",),
    )
    troubled = selectors.count_webhooks_in_trouble()
    yield Gauge(
        "smartspec_webhooks_in_trouble",
        "Webhooks that failed and are tried again, and that are given up.",
        {(str(state),): count for state, count in troubled.items()},
        ("state",),
    )
    yield Gauge(
        "smartspec_webhooks_refused",
        "Calls refused in the last 24 hours.",
        {(cause,): count for cause, count in selectors.count_refusals_of_a_day(now=now).items()},
        ("cause",),
    )


@watching.gauges
def business(now: datetime) -> Iterable[Gauge]:
    counts = selectors.count_subscriptions()
    yield Gauge(
        "smartspec_subscriptions",
        "Paying subscriptions.",
        {(count.plan,): count.subscriptions for count in counts},
        ("plan",),
    )
    yield Gauge(
        "smartspec_purchases_to_review",
        "Paid purchases that differ from what was quoted.",
        {(): selectors.count_needing_review()},
    )
    run = selectors.last_reconcile_run()
    if run is not None:
        yield Gauge(
            "smartspec_reconcile_differences",
            "Differences that the last comparison with Stripe left.",
            {(): run.remaining},
        )
