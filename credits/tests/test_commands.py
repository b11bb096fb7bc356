from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from credits import tasks
from credits.models import Entry, Hold
from credits.tests.conftest import Give, Place
from smartspec import clock


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def overdue(account_id: UUID, give: Give, place: Place) -> datetime:
    """A lot and a hold that have ended an hour ago by the wall clock, and nobody has noticed."""
    past = clock.now() - timedelta(hours=2)
    give(10, now=past, expires_at=past + timedelta(hours=1))
    give(5, now=past)
    place(3, now=past, ttl_seconds=60)
    return past


class TestExpireCredits:
    @pytest.mark.parametrize("command", ["expire_credits", "release_expired_holds"])
    def test_ends_what_is_due(self, overdue: datetime, command: str) -> None:
        assert run(command, "--dry-run") == "1 lots and 1 holds would end in 1 accounts.\n"
        assert Hold.objects.get().status == "open"
        assert run(command) == "1 lots and 1 holds ended in 1 accounts.\n"
        assert Hold.objects.get().status == "expired"
        assert run(command) == "0 lots and 0 holds ended in 0 accounts.\n"


class TestSweeper:
    def test_ends_what_is_due(self, overdue: datetime, account_id: UUID, run_jobs: Callable[[], int]) -> None:
        tasks.expire_due.defer(timestamp=0)  # type: ignore[call-arg]
        assert run_jobs() == 1
        assert Hold.objects.get().status == "expired"
        assert Entry.objects.filter(entry_type="expiry").count() == 1


class TestAdjustCredits:
    ALICE = ("adjust_credits", "alice@smartspec.test", "--reason", "Goodwill")

    def test_wants_a_reason_that_says_something(self, account_id: UUID) -> None:
        with pytest.raises(CommandError, match="--reason is empty"):
            run("adjust_credits", str(account_id), "5", "--reason", " ")
        assert not Entry.objects.exists()

    def test_gives_and_takes_with_a_reason(self, account_id: UUID) -> None:
        assert run(*self.ALICE, "--key", "ticket-1", "5") == "0 credits were available, 5 are now.\n"
        assert run(*self.ALICE, "--key", "ticket-1", "5") == "5 credits were available, 5 are now.\n"
        taken = run("adjust_credits", str(account_id), "-1.5", "--reason", "Given by mistake")
        assert taken == "5 credits were available, 3.5 are now.\n"
        assert [entry.description for entry in Entry.objects.order_by("number")] == ["Goodwill", "Given by mistake"]

    def test_tells_what_it_would_do_and_does_not(self, account_id: UUID, give: Give) -> None:
        give(2)
        assert run(*self.ALICE, "--dry-run", "5") == "2 credits are available; +5 would make 7.\n"
        assert run(*self.ALICE, "--dry-run", "-1.5") == "2 credits are available; -1.5 would make 0.5.\n"
        assert Entry.objects.count() == 1

    @pytest.mark.parametrize("credits", ["5", "-1"])
    def test_says_what_is_too_long(self, account_id: UUID, give: Give, credits: str) -> None:
        give(2)
        longest = ("--reason", "r" * 500, "--key", "k" * 248)
        for reason, key, sentence in (
            ("r" * 501, "k", "at most 500"),
            ("r", "k" * 249, "1 to 248"),
            ("r", "k" * 256, "1 to"),
        ):
            with pytest.raises(CommandError, match=sentence):
                run(*self.ALICE[:2], "--reason", reason, "--key", key, credits)
        assert Entry.objects.count() == 1
        run(*self.ALICE[:2], *longest, credits)
        assert Entry.objects.count() == 2

    @pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
    @pytest.mark.parametrize("credits", ["-3", "0", "five", "NaN", "0.0000001", "1e30"])
    def test_says_what_is_wrong(self, account_id: UUID, give: Give, credits: str, dry_run: tuple[str, ...]) -> None:
        give(2)
        with pytest.raises(CommandError):
            run(*self.ALICE, *dry_run, credits)
        assert Entry.objects.count() == 1
