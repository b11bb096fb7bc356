"""Subscription schedules: what a subscription will become, phase by phase.

https://docs.stripe.com/billing/subscriptions/subscription-schedules
"""

import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import changes, periods, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, UnexpectedState
from billing.sandbox.objects import schedule as schedule_objects
from billing.sandbox.services import events, subscriptions
from billing.sandbox.services.subscriptions import planning, state

Data = dict[str, Any]

AT_WORK = ("active", "not_started")


@transaction.atomic
def create_schedule(params: Data, *, now: datetime) -> Data:
    """This will put a schedule in charge of an existing subscription (`from_subscription`).

    :raises UnexpectedState: when the subscription has ended or has a schedule already.
    """
    if "from_subscription" not in params:
        raise ParameterInvalid(
            "from_subscription",
            "The sandbox makes a schedule only of a subscription that exists: give `from_subscription`.",
        )
    before = store.lock("subscription", params["from_subscription"], param="from_subscription", status=400)
    if before["schedule"]:
        raise UnexpectedState(
            f"You cannot migrate a subscription that is already attached to a schedule: {before['schedule']}."
        )
    if before["status"] in subscriptions.ENDED | {"incomplete"}:
        raise UnexpectedState(f"You cannot migrate a subscription that is in status {before['status']}.")
    start, end = state.period_of(before)
    schedule = schedule_objects.new_schedule(
        customer=before["customer"],
        end_behavior="cancel" if before["cancel_at_period_end"] else "release",
        now=store.timestamp(now),
    )
    changes.set_metadata(schedule, params)
    phase = schedule_objects.new_phase(
        items=[
            {"price": item["price"]["id"], "quantity": item["quantity"], "metadata": item["metadata"]}
            for item in before["items"]["data"]
        ],
        currency=before["currency"],
        start_date=start,
        end_date=end,
        proration_behavior="create_prorations",
        metadata={},
        trial_end=before["trial_end"] if before["status"] == "trialing" else None,
    )
    schedule |= {
        "subscription": before["id"],
        "status": "active",
        "phases": [phase],
        "current_phase": {"start_date": start, "end_date": end},
        "test_clock": before["test_clock"],
    }
    store.add(schedule, clock=before["test_clock"] or "")
    events.emit("subscription_schedule.created", schedule, now=now)
    state.update(before | {"schedule": schedule["id"]}, before=before, now=now)
    return schedule


@transaction.atomic
def update_schedule(schedule_id: str, params: Data, *, now: datetime) -> Data:
    """This will replace the phases, the behaviour at the end, or the metadata of a schedule.

    :raises UnexpectedState: when it is not at work any more.
    :raises ParameterInvalid: for phases that do not follow each other or have no end.
    """
    before = _lock_at_work(schedule_id, "update")
    schedule = copy.deepcopy(before)
    changes.set_metadata(schedule, params)
    changes.set_fields(schedule, params, ("end_behavior",))
    if "phases" in params:
        schedule["phases"] = _phases(params["phases"], before, now=now)
        current = _current_phase(schedule, now=now)
        if current is None:
            raise ParameterInvalid("phases", "One of the phases must be the current phase.")
        schedule["current_phase"] = {"start_date": current["start_date"], "end_date": current["end_date"]}
        was = _current_phase(before, now=now)
        if was is not None and was["items"] != current["items"]:
            behavior = params.get("proration_behavior", "create_prorations")
            _enter(before["subscription"], current | {"proration_behavior": behavior}, now=now)
    return events.update(schedule, before=before, event_type="subscription_schedule.updated", now=now)


@transaction.atomic
def release_schedule(schedule_id: str, *, now: datetime) -> Data:
    """This will let the subscription go on as it is, without the schedule.

    :raises UnexpectedState: when it is not at work any more.
    """
    before = _lock_at_work(schedule_id, "release")
    _let_go(before["subscription"], now=now)
    schedule = before | {
        "status": "released",
        "released_at": store.timestamp(now),
        "released_subscription": before["subscription"],
        "subscription": None,
        "current_phase": None,
    }
    return events.update(schedule, before=before, event_type="subscription_schedule.released", now=now)


@transaction.atomic
def cancel_schedule(schedule_id: str, params: Data, *, now: datetime) -> Data:
    """This will cancel a schedule, and its subscription with it, prorated and invoiced unless told otherwise.

    https://docs.stripe.com/api/subscription_schedules/cancel

    :raises UnexpectedState: when it is not at work any more.
    """
    before = _lock_at_work(schedule_id, "cancel")
    _let_go(before["subscription"], now=now)
    ends = {"invoice_now": True, "prorate": True} | params
    subscriptions.cancel_subscription(before["subscription"], ends, now=now)
    schedule = before | {"status": "canceled", "canceled_at": store.timestamp(now), "current_phase": None}
    return events.update(schedule, before=before, event_type="subscription_schedule.canceled", now=now)


@transaction.atomic
def do_what_is_due(*, object_id: str, now: datetime) -> Data:
    """This will move a schedule on to its next phase, or end it as its `end_behavior` says."""
    before = store.lock("subscription_schedule", object_id)
    if before["status"] != "active" or before["current_phase"]["end_date"] > store.timestamp(now):
        return before
    phase = _current_phase(before, now=now)
    if phase is not None:
        _enter(before["subscription"], phase, now=now)
        current = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
        return events.update(
            before | {"current_phase": current},
            before=before,
            event_type="subscription_schedule.updated",
            now=now,
        )
    if before["end_behavior"] == "release":
        return release_schedule(object_id, now=now)
    _let_go(before["subscription"], now=now)
    subscriptions.cancel_subscription(before["subscription"], {}, now=now)
    completed = before | {"status": "completed", "completed_at": store.timestamp(now), "current_phase": None}
    return events.update(completed, before=before, event_type="subscription_schedule.completed", now=now)


def _enter(subscription_id: str, phase: Data, *, now: datetime) -> None:
    """Give the subscription what a phase says. At the end of a period the renewal that follows bills it."""
    before = store.lock("subscription", subscription_id)
    wanted = planning.items_of_phase(before, phase)
    terms = {"proration_behavior": phase["proration_behavior"], "metadata": phase["metadata"]}
    subscriptions.enter_phase(subscription_id, {"items": wanted} | terms, now=now)


def _let_go(subscription_id: str, *, now: datetime) -> None:
    before = store.lock("subscription", subscription_id)
    state.update(before | {"schedule": None}, before=before, now=now)


def _lock_at_work(schedule_id: str, verb: str) -> Data:
    schedule = store.lock("subscription_schedule", schedule_id, param="schedule")
    if schedule["status"] not in AT_WORK:
        raise UnexpectedState(
            f"You cannot {verb} a subscription schedule that is currently in the `{schedule['status']}` status. It "
            "must have a status of `not_started` or `active`."
        )
    return schedule


def _phases(wanted: list[Data], before: Data, *, now: datetime) -> list[Data]:
    made: list[Data] = []
    currency = before["phases"][0]["currency"]
    for index, given in enumerate(wanted):
        param = f"phases[{index}]"
        start = made[-1]["end_date"] if made else before["phases"][0]["start_date"]
        if "start_date" in given:
            start = store.timestamp(now) if given["start_date"] == "now" else int(given["start_date"])
            if made and start != made[-1]["end_date"]:
                raise ParameterInvalid(
                    f"{param}[start_date]", "The start date of a phase must be the end date of the phase before it."
                )
        resolved = state.resolve_items(given["items"], now=now, param=f"{param}[items]")
        end = _end_of_phase(given, start, now=now, param=param)
        made.append(
            schedule_objects.new_phase(
                items=[
                    {"price": price["id"], "quantity": quantity, "metadata": dict(item.get("metadata") or {})}
                    for price, quantity, item in resolved
                ],
                currency=given.get("currency", currency),
                start_date=start,
                end_date=end,
                proration_behavior=given.get("proration_behavior", "create_prorations"),
                metadata=changes.merge_metadata({}, given.get("metadata") or {}),
                trial_end=given.get("trial_end") if isinstance(given.get("trial_end"), int) else None,
            )
        )
    if made[0]["start_date"] != before["phases"][0]["start_date"]:
        raise ParameterInvalid("phases[0][start_date]", "You can not modify the start date of the current phase.")
    return made


def _end_of_phase(given: Data, start: int, *, now: datetime, param: str) -> int:
    if "end_date" in given:
        end = store.timestamp(now) if given["end_date"] == "now" else int(given["end_date"])
    elif "duration" in given:
        duration = given["duration"]
        end = periods.add_interval(start, interval=duration["interval"], count=duration.get("interval_count", 1))
    else:
        raise ParameterMissing(f"{param}[end_date]")
    if end <= start:
        raise ParameterInvalid(f"{param}[end_date]", "The end date of a phase must be after its start date.")
    return end


def _current_phase(schedule: Data, *, now: datetime) -> Data | None:
    seconds = store.timestamp(now)
    return next((phase for phase in schedule["phases"] if phase["start_date"] <= seconds < phase["end_date"]), None)
