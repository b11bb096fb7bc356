"""The database's own rules, tested by going around the services."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import Error, IntegrityError, ProgrammingError, connection, transaction
from django.db.migrations.loader import MigrationLoader

from credits import selectors, services, sql, watching
from credits.models import LEDGER, Adjustment
from credits.tests.conftest import Give, Place

pytestmark = pytest.mark.broken_books


@pytest.fixture
def history(account_id: UUID, give: Give, place: Place, now: datetime) -> UUID:
    """A grant of 10, a hold of 4 captured under a key, a hold of 2 open."""
    give(10, source="promotion")
    services.capture_hold(hold_id=place(4, idempotency_key="key").id, idempotency_key="key", now=now)
    place(2)
    return account_id


@pytest.fixture
def everything(history: UUID, bob: Any, now: datetime) -> UUID:
    """A row, or more, in every table of this app."""
    services.give_allowances(account_id=history, now=now)
    services.count_days(now=now, days=1)
    asked = {"credits": 5, "reason": "other", "note": "x", "state": "awaiting", "requested_at": now}
    Adjustment.objects.create(user_id=history, requested_by=bob, **asked)
    return history


@contextmanager
def refused(name: str, error: type[Error] = IntegrityError) -> Iterator[None]:
    with pytest.raises(error, match=name), transaction.atomic():
        yield


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def rows(question: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchall()


def copy(table: str, **changes: str) -> str:
    """Return the statement that inserts a row of a table once more, with other values (SQL) in some columns."""
    pairs = ", ".join(f"'{column}', {value}" for column, value in changes.items())
    return (
        f"INSERT INTO {table} SELECT new.* FROM {table} old,"
        f" jsonb_populate_record(old, jsonb_build_object({pairs})) new LIMIT 1"
    )


class TestCheck:
    @pytest.mark.parametrize(
        ("constraint", "change"),
        [
            ("credits_account_available_not_negative", "credits_account SET available = -0.000001"),
            ("credits_account_held_not_negative", "credits_account SET held = -1"),
            ("credits_account_debt_not_negative", "credits_account SET debt = -1, available = 0"),
            ("credits_account_debt_leaves_nothing_available", "credits_account SET debt = 1"),
            ("credits_account_period_used_not_negative", "credits_account SET period_used = -1"),
            (
                "credits_account_period_has_length",
                "credits_account SET period_end_at = period_start_at, next_due_at = period_start_at",
            ),
            ("credits_account_counts_not_negative", "credits_account SET entry_count = -1"),
            (
                "credits_account_due_when_its_period_ends",
                "credits_account SET next_due_at = period_end_at + '1 second'",
            ),
            ("credits_grant_remaining_in_range", "credits_grant SET remaining = 11"),
            ("credits_grant_open_while_something_remains", "credits_grant SET remaining = -1"),
            ("credits_grant_credits_positive", "credits_grant SET credits = 0, remaining = 0, is_open = false"),
            ("credits_grant_open_while_something_remains", "credits_grant SET remaining = 0"),
            ("credits_grant_open_while_something_remains", "credits_grant SET is_open = false"),
            ("credits_grant_repaid_in_range", "credits_grant SET repaid = 11"),
            ("credits_grant_expired_not_negative", "credits_grant SET expired = -1"),
            ("credits_grant_clawed_back_in_range", "credits_grant SET clawed_back = 11"),
            ("credits_grant_known_kind", "credits_grant SET kind = 'gift'"),
            ("credits_grant_prolonged_past_its_own_end", "credits_grant SET own_end_at = effective_at"),
            ("credits_grant_money_is_for_what_was_bought", "credits_grant SET paid_cents = 900"),
            ("credits_grant_money_is_for_what_was_bought", "credits_grant SET paid_cents = 900, currency = 'usd'"),
            ("credits_grant_money_is_for_what_was_bought", "credits_grant SET kind = 'purchase', currency = 'usd'"),
            ("credits_grant_returns_an_earlier_one", "credits_grant SET returns_grant = number"),
            ("credits_grant_returns_an_earlier_one", "credits_grant SET returns_grant = 0"),
            ("credits_hold_credits_positive", "credits_hold SET credits = 0 WHERE status = 'open'"),
            ("credits_hold_captured_in_range", "credits_hold SET captured = 5 WHERE status = 'captured'"),
            ("credits_hold_captured_by_one_entry", "credits_hold SET status = 'released' WHERE status = 'captured'"),
            ("credits_hold_captured_by_one_entry", "credits_hold SET status = 'captured' WHERE status = 'open'"),
            ("credits_hold_captured_by_one_entry", "credits_hold SET capture_entry = NULL"),
            ("credits_hold_refunded_in_range", "credits_hold SET refunded = 5, refund_entry = 3 WHERE captured = 4"),
            ("credits_hold_refunded_by_one_entry", "credits_hold SET refunded = 1 WHERE captured = 4"),
            ("credits_hold_repaid_from_what_came_back", "credits_hold SET repaid = 1 WHERE captured = 4"),
            ("credits_hold_known_status", "credits_hold SET status = 'lost' WHERE status = 'open'"),
            ("credits_hold_refund_repaid_in_range", "credits_hold SET refund_repaid = 0 WHERE status = 'open'"),
            ("credits_hold_ended_at_a_time", "credits_hold SET status = 'released' WHERE status = 'open'"),
            ("credits_hold_ended_at_a_time", "credits_hold SET ended_at = created_at"),
            ("credits_hold_expires_after_creation", "credits_hold SET expires_at = created_at - interval '1 second'"),
            ("credits_usageday_in_range", "credits_usageday SET credits = -1"),
            ("credits_usageday_in_range", "credits_usageday SET captures = 0"),
            ("credits_entrytotal_entries_from_one", "credits_entrytotal SET entries = 0"),
            ("credits_plan_monthly_credits_not_negative", "credits_plan SET monthly_credits = -1"),
            ("credits_plan_price_monthly_cents_check", "credits_plan SET price_monthly_cents = -1"),
            ("credits_plan_price_yearly_cents_check", "credits_plan SET price_yearly_cents = -1"),
            ("credits_plan_max_storage_mb_check", "credits_plan SET max_storage_mb = -1"),
            ("credits_plan_position_check", "credits_plan SET position = -1"),
            ("credits_rate_base_credits_positive", "credits_rate SET base_credits = 0"),
            ("adjustment_is_of_some_credits", "credits_adjustment SET credits = 0"),
            ("adjustment_moves_the_ledger_when_done", "credits_adjustment SET state = 'done'"),
            ("adjustment_decision_whole", "credits_adjustment SET decision_note = 'yes'"),
            ("adjustment_expires_if_given", "credits_adjustment SET credits = -1, expires_at = now()"),
            (
                "adjustment_not_decided_by_who_gets_it",
                "credits_adjustment SET decided_by_id = user_id, decided_at = now(), decision_note = 'yes',"
                " state = 'done', entry_number = 1",
            ),
            (
                "adjustment_decided_by_somebody_else",
                "credits_adjustment SET decided_by_id = requested_by_id, decided_at = now(), decision_note = 'yes',"
                " state = 'done', entry_number = 1",
            ),
        ],
    )
    def test_refuses_the_change(self, everything: UUID, constraint: str, change: str) -> None:
        with refused(constraint):
            execute(f"UPDATE {change}")

    @pytest.mark.parametrize(
        ("constraint", "values"),
        [
            ("credits_entry_sign_fits_type", "number + 2, 'usage', 1, 9"),
            ("credits_entry_sign_fits_type", "number + 2, 'purchase', -1, 9"),
            ("credits_entry_sign_fits_type", "number + 2, 'expiry', 1, 9"),
            ("credits_entry_sign_fits_type", "number + 2, 'clawback', 0, 9"),
            ("credits_entry_known_type", "number + 2, 'gift', 1, 9"),
            ("credits_entry_numbers_from_one", "0, 'bonus', 1, 9"),
            ("credits_entry_pkey", "number, 'bonus', 1, 9"),
            ("credits_entry_type_number", "number + 2, 'bonus', 1, type_number"),
        ],
    )
    def test_refuses_an_entry(self, history: UUID, constraint: str, values: str) -> None:
        with refused(constraint):
            execute(
                "INSERT INTO credits_entry (account_id, number, entry_type, delta_credits, type_number, balance_after,"
                " type_credits_after, reference_type, reference_id, model_id, description, created_at)"
                f" SELECT account_id, {values}, 1, 1, '', '', '', '', created_at FROM credits_entry WHERE number = 1"
            )


class TestNotNull:
    def test_every_column_that_must_have_a_value_has_one(self, everything: UUID) -> None:
        columns = rows(
            "SELECT attrelid::regclass::text, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE attnotnull AND attnum > 0 AND relkind = 'r' AND relname LIKE 'credits\\_%'"
        )
        assert len(columns) > 80
        for table, column in columns:
            with refused(f"null value in column.*{column}|append-only"):
                execute(f"UPDATE {table} SET {column} = NULL")


class TestUnique:
    @pytest.mark.parametrize(
        ("name", "insert"),
        [
            ("credits_account_pkey", copy("credits_account")),
            ("credits_entry_pkey", copy("credits_entry")),
            ("credits_entrytotal_pkey", copy("credits_entrytotal")),
            ("credits_grant_pkey", copy("credits_grant")),
            ("credits_hold_pkey", copy("credits_hold")),
            ("credits_keyrecord_pkey", copy("credits_keyrecord")),
            ("credits_usageday_pkey", copy("credits_usageday")),
            ("credits_freeallowanceaddress_pkey", copy("credits_freeallowanceaddress")),
            ("credits_plan_pkey", copy("credits_plan")),
            ("credits_rate_pkey", copy("credits_rate")),
            ("credits_adjustment_pkey", copy("credits_adjustment")),
            ("credits_daytotal_pkey", copy("credits_daytotal")),
            ("credits_grant_one_per_source", copy("credits_grant", number="99")),
            ("credits_rate_one_per_moment", copy("credits_rate", id="99")),
        ],
    )
    def test_refuses_a_second_row(self, everything: UUID, name: str, insert: str) -> None:
        with refused(name):
            execute(insert)

    def test_one_hold_per_key(self, history: UUID) -> None:
        with refused("credits_hold_one_per_key"):
            execute("UPDATE credits_hold SET idempotency_key = 'key'")


class TestReference:
    @pytest.mark.parametrize(
        ("name", "statement"),
        [
            (
                "credits_account_account_id_997c866c_fk_users_user_id",
                copy("credits_account", account_id="gen_random_uuid()"),
            ),
            ("credits_account_plan_fd451731_fk_credits_plan_slug", "UPDATE credits_account SET plan = 'gold'"),
            (
                "credits_grant_account_id_512c5523_fk_credits_account_account_id",
                copy("credits_grant", account_id="gen_random_uuid()"),
            ),
            (
                "credits_adjustment_user_id_e8aef095_fk_users_user_id",
                "UPDATE credits_adjustment SET user_id = gen_random_uuid()",
            ),
            (
                "credits_adjustment_requested_by_id_921e5cfe_fk_users_user_id",
                "UPDATE credits_adjustment SET requested_by_id = gen_random_uuid()",
            ),
            (
                "credits_adjustment_decided_by_id_b5321256_fk_users_user_id",
                "UPDATE credits_adjustment SET decided_by_id = gen_random_uuid(), decided_at = now(),"
                " decision_note = 'no', state = 'rejected'",
            ),
        ],
    )
    def test_leads_to_a_row(self, everything: UUID, name: str, statement: str) -> None:
        with refused(name):
            execute(f"{statement}; SET CONSTRAINTS ALL IMMEDIATE")


APPEND_ONLY = (
    "UPDATE credits_entry SET description = 'nicer'",
    "UPDATE credits_keyrecord SET content = 'another'",
    "DELETE FROM credits_entry",
    "DELETE FROM credits_account",
    "DELETE FROM credits_grant",
    "DELETE FROM credits_hold",
    "DELETE FROM credits_keyrecord",
    "DELETE FROM credits_entrytotal",
    "DELETE FROM credits_usageday",
    "DELETE FROM credits_freeallowanceaddress",
    "TRUNCATE credits_entry",
    "TRUNCATE credits_hold",
    "TRUNCATE credits_account CASCADE",
    "TRUNCATE credits_grant",
    "TRUNCATE credits_keyrecord",
    "TRUNCATE credits_entrytotal",
    "TRUNCATE credits_usageday",
    "TRUNCATE credits_freeallowanceaddress",
)


class TestAppendOnly:
    @pytest.mark.parametrize("statement", APPEND_ONLY)
    def test_refuses(self, everything: UUID, statement: str) -> None:
        # Constraints that wait for the end of the transaction would hide the trigger behind "pending trigger events".
        execute("SET CONSTRAINTS ALL IMMEDIATE")
        with refused("append-only"):
            execute(statement)

    def test_a_user_with_an_account_cannot_be_deleted(self, history: UUID) -> None:
        with refused("append-only|foreign key"):
            execute(f"DELETE FROM account_emailaddress; DELETE FROM users_user WHERE id = '{history}'")
            execute("SET CONSTRAINTS ALL IMMEDIATE")


class TestRole:
    @pytest.fixture
    def server(self, history: UUID) -> Iterator[None]:
        """Everything that follows runs as a role that may use the database but does not own the ledger."""
        execute("CREATE ROLE ledger_test_server")
        services.grant_ledger_role(role="ledger_test_server")
        execute("SET ROLE ledger_test_server")
        yield
        execute("RESET ROLE")

    def test_may_read_and_call(self, server: None, account_id: UUID, place: Place, give: Give, now: datetime) -> None:
        give(10)
        assert services.capture_hold(hold_id=place(1).id, now=now).hold.captured == 1

    @pytest.mark.parametrize("table", [model._meta.db_table for model in LEDGER])
    def test_may_not_write_a_table(self, server: None, table: str) -> None:
        for statement in (f"INSERT INTO {table} DEFAULT VALUES", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with refused("permission denied", ProgrammingError):
                execute(statement)
        with refused("permission denied", ProgrammingError):
            execute(f"UPDATE {table} SET {'given_until' if 'free' in table else 'account_id'} = NULL")

    def test_may_call_the_operations_and_nothing_that_they_are_made_of(self, server: None, history: UUID) -> None:
        with refused("permission denied", ProgrammingError):
            execute(f"SELECT credits_give('{history}', 'bonus', 'x', 1, 1, NULL, now(), 'bonus', '', '', '')")
        allowed = rows(
            "SELECT proname FROM pg_proc WHERE proname LIKE 'credits\\_%' AND has_function_privilege(oid, 'EXECUTE')"
        )
        assert {name for (name,) in allowed} == {f"credits_{name}" for name in sql.OPERATIONS}

    def test_may_not_put_a_table_of_its_own_before_the_ledgers(
        self, server: None, history: UUID, now: datetime
    ) -> None:
        """A trigger of the table's would run in the owner's name, who may write everything."""
        execute("CREATE TEMP TABLE credits_keyrecord (LIKE public.credits_keyrecord)")
        execute("GRANT ALL ON pg_temp.credits_keyrecord TO PUBLIC")
        execute(
            "CREATE FUNCTION pg_temp.enrich() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN UPDATE public.credits_grant SET paid_cents = NULL, source = 'stolen'; RETURN NEW; END $$"
        )
        execute(
            "CREATE TRIGGER enrich BEFORE INSERT ON pg_temp.credits_keyrecord FOR EACH ROW"
            " EXECUTE FUNCTION pg_temp.enrich()"
        )
        services.adjust(account_id=history, credits=Decimal(1), reason="x", idempotency_key="x", now=now)
        assert rows("SELECT count(*) FROM public.credits_grant WHERE source = 'stolen'") == [(0,)]
        assert rows("SELECT count(*) FROM public.credits_keyrecord WHERE action = 'adjust'") == [(1,)]

    def test_is_watched(self, server: None, now: datetime) -> None:
        found = watching.ledger_role(now)
        assert (found.holds, found.detail) == (True, "ledger_test_server may read and call, and nothing else")

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ("REVOKE SELECT ON credits_grant FROM ledger_test_server", "cannot read credits_grant"),
            ("GRANT UPDATE ON credits_entry TO ledger_test_server", "may write credits_entry"),
            ("GRANT UPDATE (held) ON credits_account TO PUBLIC", "may write credits_account"),
            ("GRANT TRIGGER ON credits_hold TO ledger_test_server", "may write credits_hold"),
            ("REVOKE DELETE ON credits_rate FROM ledger_test_server", "cannot read and write credits_rate"),
            ("CREATE TABLE made_later (id int)", "cannot read and write made_later"),
            ("CREATE SEQUENCE made_later", "cannot use made_later"),
            ("REVOKE EXECUTE ON FUNCTION credits_charge FROM ledger_test_server", "cannot call credits_charge"),
            ("GRANT EXECUTE ON FUNCTION credits_give TO ledger_test_server", "may call credits_give"),
            # As a migration leaves a function that it makes anew.
            (
                f"DROP FUNCTION credits_count_day; {sql.read('count_day')}",
                "shares credits_count_day with everybody",
            ),
        ],
    )
    def test_is_told_from_one_that_was_not_granted_again(
        self, server: None, now: datetime, change: str, fault: str
    ) -> None:
        execute("RESET ROLE")
        execute(change)
        for role in ("RESET ROLE", "SET ROLE ledger_test_server"):  # the owner is told, and the server itself
            execute(role)
            found = watching.ledger_role(now)
            assert (found.holds, found.detail) == (False, f"ledger_test_server {fault}")
            assert "manage.py grant_ledger_role ledger_test_server" in found.remedy
        execute("RESET ROLE")
        services.grant_ledger_role(role="ledger_test_server")
        assert watching.ledger_role(now).holds

    def test_that_nothing_was_granted_to_is_told_so(self, server: None, now: datetime) -> None:
        execute("RESET ROLE; CREATE ROLE ledger_test_stranger; SET ROLE ledger_test_stranger")
        found = watching.ledger_role(now)
        assert not found.holds
        assert found.detail.startswith("ledger_test_stranger cannot call")

    def test_that_owns_the_tables_needs_no_other(self, db: None, now: datetime) -> None:
        found = watching.ledger_role(now)
        assert (found.holds, found.detail) == (True, "the server owns the ledger's tables")

    def test_covers_every_table_of_the_ledger(self, db: None) -> None:
        tables = {model._meta.db_table for model in apps.get_app_config("credits").get_models()}
        beside = {"credits_plan", "credits_rate", "credits_adjustment", "credits_daytotal"}
        assert tables - {model._meta.db_table for model in LEDGER} == beside

    def test_must_exist(self, db: None) -> None:
        with pytest.raises(services.UnknownRole):
            services.grant_ledger_role(role="nobody at all")

    def test_must_not_own_the_tables(self, history: UUID, give: Give) -> None:
        """Its rights would be taken from the functions, which work in its name."""
        (owner,) = rows("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'credits_account'")[0]
        with pytest.raises(services.RoleOwnsLedger):
            services.grant_ledger_role(role=owner)
        give(1)

    def test_does_not_let_itself_in(self, server: None) -> None:
        with pytest.raises(CommandError, match=r"connect as .*, who owns the ledger's tables"):
            call_command("grant_ledger_role", "ledger_test_server")


class TestFunctions:
    def test_that_are_installed_are_those_in_the_files(self, db: None) -> None:
        installed = rows("SELECT proname FROM pg_proc WHERE proname LIKE 'credits\\_%'")
        assert {name for (name,) in installed} == {f"credits_{name}" for name in sql.FUNCTIONS}
        assert selectors.list_other_functions() == []

    def test_are_installed_by_a_migration_when_their_files_change(self) -> None:
        """Tests install today's files from the first migration on: a change without one would be seen nowhere else."""
        migrations = [migration for key, migration in sorted(MigrationLoader(None).disk_migrations.items())]
        named = [sys.modules[type(one).__module__] for one in migrations if one.app_label == "credits"]
        newest = [module.FILES for module in named if hasattr(module, "FILES")][-1]
        assert newest == sql.digest(), "install the file in a new migration, and name this digest there"

    def test_are_watched(self, db: None, now: datetime) -> None:
        assert watching.ledger_functions(now).holds
        execute(sql.read("burn").replace("x.expires_at, ", ""))
        execute(sql.read("touch").replace(", pg_temp", ""))
        found = watching.ledger_functions(now)
        assert not found.holds
        assert found.detail == "credits_burn is missing, or not this version's, and 1 functions more"
        assert "manage.py migrate" in found.remedy

    def test_and_every_file_are_on_the_map(self) -> None:
        folder = Path(sql.__file__).parent
        on_the_map = (folder / "README.md").read_text()
        assert [file.stem for file in folder.glob("*.sql") if file.stem.rstrip("s") not in on_the_map] == []


class TestEveryRule:
    """No rule of the database is without a test that goes around it."""

    def test_every_constraint_is_named_here(self, db: None) -> None:
        constraints = rows(
            "SELECT conname FROM pg_constraint WHERE conrelid::regclass::text LIKE 'credits\\_%' AND contype <> 'n'"
            " UNION SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indisunique AND indrelid::regclass::text LIKE 'credits\\_%'"
        )
        assert len(constraints) > 50
        tested = Path(__file__).read_text()
        assert [name for (name,) in constraints if f'"{name}"' not in tested] == []

    def test_every_trigger_is_tried(self, db: None) -> None:
        triggers = rows(
            "SELECT event, tgrelid::regclass::text FROM pg_trigger CROSS JOIN LATERAL"
            " (VALUES ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)) AS events (event, bit)"
            " WHERE NOT tgisinternal AND tgtype & bit > 0 AND tgrelid::regclass::text LIKE 'credits\\_%'"
        )
        tried = {tuple(statement.replace("DELETE FROM", "DELETE").split()[:2]) for statement in APPEND_ONLY}
        assert set(triggers) == tried


class TestDue:
    """Something that is due and does not end must stop a call, not hold the account's lock for ever."""

    def test_a_hold_tries_no_more_than_twice(self, history: UUID, place: Place, now: datetime) -> None:
        execute(
            "CREATE OR REPLACE FUNCTION credits_settle_due(p_account uuid, p_now timestamptz) RETURNS void"
            " LANGUAGE sql AS ''"
        )
        execute("SET LOCAL statement_timeout = '5s'")
        with refused("refuses a hold for no reason", Error):
            place(1, now=now + timedelta(days=1))

    def test_what_has_not_ended_after_settling_is_refused(self, history: UUID, place: Place, now: datetime) -> None:
        execute(
            "CREATE OR REPLACE FUNCTION credits_period_start(p_anchor timestamptz, p_at timestamptz, p_offset int"
            " DEFAULT 0) RETURNS timestamptz LANGUAGE sql AS $$ SELECT p_at - interval '2 days' * (2 - p_offset) $$"
        )
        execute("SET LOCAL statement_timeout = '5s'")
        with refused("has not ended", Error):
            place(1, now=now + timedelta(days=40))
