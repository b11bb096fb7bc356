"""Every command of ours explains itself, and says by its exit code that it was called wrongly."""

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.core.management import CommandError, get_commands, load_command_class
from django.db import connection

from smartspec import commands
from smartspec.testing import copy_database, ensure_template, maintenance_connection
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


@pytest.mark.parametrize("text", ["2026-02-30", "soon", "", "0001-01-01", "2026-01-01T00:00"])
def test_a_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="give a day such as"):
        commands.day(text)
    assert commands.day("2026-02-28") == date(2026, 2, 28)


@pytest.mark.parametrize("text", ["0", "-0.0", "five", "NaN", "1e3", "0.0000001", "1" * 13, "๑๐", "٣", "1_000", ""])
def test_a_number_of_credits_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"give a number such as 10 or -2\.5"):
        commands.signed_number(text)
    assert [commands.signed_number(given) for given in ("10", "-2.5")] == [Decimal(10), Decimal("-2.5")]


def test_a_person_is_named_by_id_or_address_of_any_case(alice: User) -> None:
    assert {commands.find_user_id(named) for named in (str(alice.pk), "ALICE@smartspec.test")} == {alice.pk}
    with pytest.raises(CommandError, match="There is no user “bob"):
        commands.find_user_id("bob@smartspec.test")


def manage(*words: str | bytes, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_DIRECT_URL": ""} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def database() -> Iterator[str]:
    """The name of a database without our tables."""
    name = f"test_commands_{os.getpid()}"
    with maintenance_connection() as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
        yield name
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def url_of(database: str) -> str:
    server = connection.settings_dict
    place = urlencode({"host": server["HOST"], "port": server["PORT"] or 5432})
    return f"postgres://{server['USER']}:{server['PASSWORD']}@/{database}?{place}"


@pytest.mark.parametrize("name", ["verify_ledger", "reconcile_stripe", "bill_storage"])
def test_a_database_that_is_away_is_one_sentence_and_no_finding(name: str) -> None:
    done = manage(name, "--skip-checks", DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    assert done.returncode == 2
    assert done.stderr.startswith("The database cannot be reached: ")
    assert "Traceback" not in done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    "words",
    [
        ["verify_ledger"],
        ["reconcile_stripe"],
        ["bill_storage"],
        ["create_service_key", "--name=worker", "--scopes=credits:spend"],
        ["grant_ledger_role", "postgres"],
    ],
    ids=lambda words: words[0],
)
def test_a_database_without_our_tables_is_two_sentences_and_no_finding(words: list[str], database: str) -> None:
    done = manage(*words, DATABASE_URL=url_of(database))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("The database is not of this version: ")
    assert done.stderr.endswith("manage.py migrate first.\n")
    assert "Traceback" not in done.stderr


@pytest.mark.django_db(transaction=True)
def test_ctrl_c_ends_a_command_without_a_finding(database: str) -> None:
    copy_database(ensure_template(), database)
    with maintenance_connection(database) as other:
        other.autocommit = False
        other.execute("LOCK TABLE credits_account IN ACCESS EXCLUSIVE MODE")
        command = subprocess.Popen(
            [sys.executable, "manage.py", "verify_ledger"],
            cwd=settings.BASE_DIR,
            env=os.environ | {"DATABASE_URL": url_of(database)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=let_ctrl_c_through,
        )
        waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        deadline = time.monotonic() + 60
        while not other.execute(waits).fetchone() and time.monotonic() < deadline:
            time.sleep(0.1)
        command.send_signal(signal.SIGINT)
        said = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "Traceback" not in "".join(said)


def let_ctrl_c_through() -> None:
    """What a shell starts in the background is deaf to it, and so is what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_bytes_that_are_no_text_are_one_sentence() -> None:
    done = manage("adjust_credits", "alice@smartspec.test", "1", "--reason", b"caf\xe9")
    assert done.returncode == 2
    assert done.stderr == "What was typed is not UTF-8 text.\n"
