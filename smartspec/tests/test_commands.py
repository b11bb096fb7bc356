"""Every command of ours explains itself, and says by its exit code that it was called wrongly."""

import os
import subprocess
import sys
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, get_commands, load_command_class

from smartspec import commands
from smartspec.users.models import User

OURS = sorted(
    (name, str(app))
    for name, app in get_commands().items()
    if str(app).split(".")[0] in ("smartspec", "credits", "billing", "media")
)


@pytest.mark.parametrize(("name", "app"), OURS)
class TestEveryCommand:
    def test_says_what_it_is_for_and_what_each_option_does(self, name: str, app: str) -> None:
        parser = load_command_class(app, name).create_parser("manage.py", name)
        assert parser.description
        assert len(parser.description) > 30
        from_django = {
            action.dest for action in load_command_class("django.core", "check").create_parser("", "")._actions
        }
        ours = [action for action in parser._actions if action.dest not in from_django or action.dest == "help"]
        choices = [action for action in ours if action.choices and not action.option_strings]
        for action in ours:
            assert action.help or action in choices, action.dest

    def test_takes_no_number_without_its_least(self, name: str, app: str) -> None:
        parser = load_command_class(app, name).create_parser("manage.py", name)
        from_django = load_command_class("django.core", "check").create_parser("", "")._actions
        known = {action.dest for action in from_django}
        assert not [action.dest for action in parser._actions if action.type is int and action.dest not in known]

    def test_refuses_an_option_that_it_does_not_have(self, name: str, app: str) -> None:
        parser = load_command_class(app, name).create_parser("manage.py", name)
        parser.called_from_command_line = True
        with pytest.raises((SystemExit, CommandError)) as refusal:
            parser.parse_args(["--no-such-option"])
        assert getattr(refusal.value, "code", 2) != 0


def test_the_list_is_of_all_commands() -> None:
    files = {
        path.stem
        for app in ("smartspec", "credits", "billing", "media")
        for path in (Path(settings.BASE_DIR) / app).rglob("management/commands/*.py")
        if not path.stem.startswith("_")
    }
    assert files == {name for name, _ in OURS}


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31 12:00", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00:00+07:00", datetime(2027, 1, 31, 5, tzinfo=UTC)),
    ],
)
def test_a_moment_is_utc_unless_it_says_otherwise(text: str, at: datetime) -> None:
    assert commands.moment(text) == at
    assert commands.moment(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["soon", "2027-02-31", "", "9999-12-31T23:59-14:00", "0001-01-01T00:00+14:00", "1999-12-31", "3000-01-01"]
)
def test_a_moment_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="give a day such as"):
        commands.moment(text)


def test_a_person_is_named_by_id_or_address_of_any_case(alice: User) -> None:
    assert {commands.find_user_id(named) for named in (str(alice.pk), "ALICE@smartspec.test")} == {alice.pk}
    with pytest.raises(CommandError, match="There is no user “bob"):
        commands.find_user_id("bob@smartspec.test")


@pytest.mark.parametrize("name", ["verify_ledger", "reconcile_stripe", "bill_storage"])
def test_a_database_that_is_away_is_one_sentence_and_no_finding(name: str) -> None:
    away = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "DATABASE_DIRECT_URL": ""}
    done = subprocess.run(
        [sys.executable, "manage.py", name, "--skip-checks"],
        cwd=settings.BASE_DIR,
        env=away,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("The database cannot be reached: ")
    assert "Traceback" not in done.stderr
