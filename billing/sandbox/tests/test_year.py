"""The year of seven people, as `manage.py sandbox year` plays it.

https://docs.stripe.com/billing/testing/test-clocks
"""

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.sandbox import store, year
from billing.sandbox.services import clocks, faults
from billing.sandbox.year.people import CAST
from smartspec import clock
from smartspec.users.models import User

pytestmark = pytest.mark.usefixtures("sandbox")


def play(*arguments: str) -> str:
    output = StringIO()
    call_command("sandbox", "year", *arguments, stdout=output)
    return output.getvalue()


def test_ends_as_it_was_worked_out_by_hand_and_leaves_everybody_where_the_clock_is(alice: Any, capfd: Any) -> None:
    before = clock.now()
    told = play()
    assert "request_started" not in capfd.readouterr().err  # between the tables nobody could read them
    assert told.count("As expected.") == len(CAST)
    assert "WRONG" not in told
    assert told.count("0 differences remain.") == len(CAST)
    assert told.rstrip().endswith("Everything is as expected.")
    assert (clock.now() - before).days == 0
    assert not store.find(clocks.KIND)
    assert not store.rows("subscription").exclude(clock="").exists()
    # Nobody's worker had a part in it; dj-stripe's copies are left to it, behind the product's own work.
    left = ProcrastinateJob.objects.exclude(task_name="billing.tasks.mirror_event")
    assert not left.exists()
    assert not ProcrastinateJob.objects.filter(priority__gte=0).exists()


def test_says_what_is_not_as_expected() -> None:
    theo = CAST[-1]
    wrong = replace(theo, expected=replace(theo.expected, balance=11))
    said: list[str] = []
    _, differences = year.play(now=clock.now(), say=said.append, cast=[wrong])
    assert differences == ["Theo: balance is 10, expected 11"]
    assert "   WRONG: balance is 10, expected 11" in said


def test_is_not_begun_while_webhooks_go_wrong_on_purpose() -> None:
    faults.add_fault("drop")
    with pytest.raises(CommandError, match="webhooks clear"):
        play()
    assert not User.objects.filter(email__startswith="year-").exists()


def test_is_not_begun_where_nothing_is_sold_yet() -> None:
    store.rows("price").delete()
    with pytest.raises(CommandError, match="seed_sandbox"):
        play()
    assert not User.objects.filter(email__startswith="year-").exists()
