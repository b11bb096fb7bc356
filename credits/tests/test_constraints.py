"""The database's own rules, tested by going around the services."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import pytest
from django.db import Error, IntegrityError, ProgrammingError, connection, transaction

from credits import services, sql
from credits.services.roles import LEDGER
from credits.tests.conftest import Give, Place

pytestmark = pytest.mark.broken_books


@pytest.fixture
def history(account_id: UUID, give: Give, place: Place, now: datetime) -> UUID:
    """A grant of 10, a hold of 4 captured, a hold of 2 open."""
    give(10, source="promotion")
    services.capture_hold(hold_id=place(4, idempotency_key="key").id, now=now)
    place(2)
    return account_id


@contextmanager
def refused(name: str, error: type[Error] = IntegrityError) -> Iterator[None]:
    with pytest.raises(error, match=name), transaction.atomic():
        yield


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


class TestCheck:
    @pytest.mark.parametrize(
        ("constraint", "change"),
        [
            ("credits_account_available_not_negative", "credits_account SET available = -0.000001"),
            ("credits_account_held_not_negative", "credits_account SET held = -1"),
            ("credits_account_debt_not_negative", "credits_account SET debt = -1, available = 0"),
            ("credits_account_debt_leaves_nothing_available", "credits_account SET debt = 1"),
            ("credits_account_period_used_not_negative", "credits_account SET period_used = -1"),
            ("credits_account_period_has_length", "credits_account SET period_end_at = period_start_at"),
            ("credits_account_counts_not_negative", "credits_account SET entry_count = -1"),
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
            ("credits_hold_credits_positive", "credits_hold SET credits = 0 WHERE status = 'open'"),
            ("credits_hold_captured_in_range", "credits_hold SET captured = 5 WHERE status = 'captured'"),
            ("credits_hold_captured_by_one_entry", "credits_hold SET status = 'released' WHERE status = 'captured'"),
            ("credits_hold_captured_by_one_entry", "credits_hold SET status = 'captured' WHERE status = 'open'"),
            ("credits_hold_captured_by_one_entry", "credits_hold SET capture_entry = NULL"),
            ("credits_hold_refunded_in_range", "credits_hold SET refunded = 5, refund_entry = 3 WHERE captured = 4"),
            ("credits_hold_refunded_by_one_entry", "credits_hold SET refunded = 1 WHERE captured = 4"),
            ("credits_hold_repaid_from_what_came_back", "credits_hold SET repaid = 1 WHERE captured = 4"),
            ("credits_hold_known_status", "credits_hold SET status = 'lost' WHERE status = 'open'"),
            ("credits_hold_expires_after_creation", "credits_hold SET expires_at = created_at - interval '1 second'"),
            ("credits_usageday_in_range", "credits_usageday SET credits = -1"),
            ("credits_usageday_in_range", "credits_usageday SET captures = 0"),
            ("credits_entrytotal_entries_from_one", "credits_entrytotal SET entries = 0"),
            ("credits_plan_monthly_credits_not_negative", "credits_plan SET monthly_credits = -1"),
            ("credits_rate_base_credits_positive", "credits_rate SET base_credits = 0"),
        ],
    )
    def test_refuses_the_change(self, history: UUID, constraint: str, change: str) -> None:
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


class TestUnique:
    def test_one_grant_per_source(self, history: UUID) -> None:
        with refused("credits_grant_one_per_source"):
            execute(
                "INSERT INTO credits_grant (account_id, number, kind, source, credits, remaining, repaid, expired,"
                " clawed_back, priority, is_paid, is_open, effective_at)"
                " SELECT account_id, 99, kind, source, 1, 1, 0, 0, 0, 1,"
                " false, true, effective_at FROM credits_grant"
            )

    def test_one_hold_per_key(self, history: UUID) -> None:
        with refused("credits_hold_one_per_key"):
            execute("UPDATE credits_hold SET idempotency_key = 'key'")

    def test_one_account_per_user(self, history: UUID) -> None:
        with refused("credits_account_pkey"):
            execute("INSERT INTO credits_account SELECT * FROM credits_account")


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE credits_entry SET description = 'nicer'",
            "DELETE FROM credits_entry",
            "DELETE FROM credits_account",
            "DELETE FROM credits_grant",
            "DELETE FROM credits_hold",
            "TRUNCATE credits_entry",
            "TRUNCATE credits_hold",
            "TRUNCATE credits_account CASCADE",
            "TRUNCATE credits_grant",
        ],
    )
    def test_refuses(self, history: UUID, statement: str) -> None:
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
        execute("GRANT USAGE ON SCHEMA public TO ledger_test_server")
        execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO ledger_test_server")
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

    def test_may_not_call_what_operations_are_made_of(self, server: None, history: UUID, now: datetime) -> None:
        with refused("permission denied", ProgrammingError):
            execute(f"SELECT credits_give('{history}', 'bonus', 'x', 1, 1, NULL, now(), 'bonus', '', '', '')")

    def test_must_exist(self, db: None) -> None:
        with pytest.raises(services.UnknownRole):
            services.grant_ledger_role(role="nobody at all")


class TestFunctions:
    def test_that_are_installed_are_those_in_the_files(self, db: None) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE proname LIKE 'credits\\_%'")
            installed = dict(cursor.fetchall())
        assert set(installed) == {f"credits_{name}" for name in sql.FUNCTIONS}
        for name in sql.FUNCTIONS:
            assert installed[f"credits_{name}"].strip() in sql.read(name), name
