import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from credits import selectors, services, sql
from credits.models import Account, Entry, Grant, Hold, UsageDay
from credits.tests.conftest import Give, Place


@pytest.fixture
def history(account_id: UUID, give: Give, place: Place, now: datetime) -> UUID:
    """A bit of everything: grants, captures whole and in part, a refund, a clawback with debt, an open hold."""
    give(10, kind="purchase", source="purchase:1")
    give(3, expires_at=now + timedelta(minutes=1))
    services.capture_hold(hold_id=place(4).id, now=now)
    services.capture_hold(hold_id=place(2).id, credits=Decimal("0.5"), now=now)
    hold = place(1, model_id="flux")
    services.capture_hold(hold_id=hold.id, now=now)
    services.refund_capture(hold_id=hold.id, reason="", now=now)
    later = now + timedelta(minutes=2)
    place(2, now=later)
    services.claw_back(
        account_id=account_id,
        kind="purchase",
        source="purchase:1",
        credits=Decimal(9),
        idempotency_key="re_1",
        now=later,
    )
    give(1, now=later)
    return account_id


def run(*arguments: str) -> tuple[str, int]:
    output = StringIO()
    try:
        call_command("verify_ledger", *arguments, stdout=output)
    except SystemExit as end:
        return output.getvalue(), int(str(end.code))
    return output.getvalue(), 0


class TestVerifyLedger:
    def test_finds_nothing_wrong_with_a_bit_of_everything(self, history: UUID) -> None:
        assert run() == ("1 accounts verified, 0 faults.\n", 0)

    def test_of_one_account_by_its_address(self, history: UUID) -> None:
        assert run("--account", "alice@smartspec.test") == ("1 accounts verified, 0 faults.\n", 0)
        for nobody in ("nobody@smartspec.test", "00000000-0000-4000-8000-000000000000"):
            with pytest.raises(CommandError):
                run("--account", nobody)

    @pytest.mark.broken_books
    def test_names_the_first_fault_of_each_kind_and_ends_with_1(self, history: UUID) -> None:
        Account.objects.update(held=77)
        output, code = run()
        assert code == 1
        assert f"account {history}: account_held is 77.000000, should be 2" in output
        report, code = run("--json")
        assert code == 1
        found = {fault["fault"] for fault in json.loads(report)["faults"]}
        assert found == {"account_held", "account_balance"}


@pytest.mark.broken_books
class TestFault:
    def faults(self, account_id: UUID) -> set[str]:
        return {fault.fault for fault in selectors.verify_account(account_id=account_id)}

    def test_in_what_an_account_caches(self, history: UUID, now: datetime) -> None:
        account = Account.objects.get(pk=history)
        changes: list[tuple[dict[str, Any], str]] = [
            ({"available": 0, "debt": 50}, "account_debt"),
            ({"held": 9}, "account_held"),
            ({"entry_count": 99}, "account_entry_count"),
            ({"hold_count": 99}, "account_hold_count"),
            ({"head_grant": 99}, "account_head_grant"),
            ({"next_due_at": now + timedelta(days=9)}, "account_next_due_at"),
            ({"period_used": 99}, "account_period_used"),
            ({"last_entry_at": now - timedelta(days=1)}, "account_last_entry_at"),
        ]
        for change, fault in changes:
            Account.objects.filter(pk=history).update(**change)
            assert fault in self.faults(history)
            account.save()
        assert self.faults(history) == set()

    def test_in_a_lot(self, history: UUID) -> None:
        Grant.objects.filter(kind="purchase").update(remaining=5, is_open=True)
        assert {"lot_remaining", "account_available"} <= self.faults(history)

    def test_in_what_a_lot_lost(self, history: UUID) -> None:
        Grant.objects.filter(kind="purchase").update(expired=1, clawed_back=1)
        assert {"lot_expired", "clawed_back"} <= self.faults(history)

    def test_in_a_receipt(self, history: UUID) -> None:
        Hold.objects.filter(number=1).update(lot_credits=[Decimal("0.5")])
        assert {"hold_receipt", "lot_remaining"} <= self.faults(history)

    def test_in_a_hold_that_was_captured_without_an_entry(self, history: UUID) -> None:
        Hold.objects.filter(status="open").update(status="captured", captured=2, capture_entry=99)
        assert {"hold_capture", "account_held"} <= self.faults(history)

    def test_in_a_hold_that_was_released_without_a_return(self, history: UUID, now: datetime) -> None:
        Hold.objects.filter(status="open").update(status="released", ended_at=now)
        assert {"account_held", "lot_remaining"} <= self.faults(history)

    def test_in_the_rollup(self, history: UUID) -> None:
        UsageDay.objects.update(captures=9)
        assert self.faults(history) == {"usage_day"}

    def test_in_an_entry(self, history: UUID) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE credits_entry DISABLE TRIGGER USER")
            cursor.execute("UPDATE credits_entry SET delta_credits = delta_credits - 1 WHERE number = 3")
            cursor.execute("UPDATE credits_entry SET created_at = created_at - interval '1 day' WHERE number = 4")
        expected = {"entry_balance", "entry_type_sum", "entry_time", "account_balance", "entry_total", "hold_capture"}
        assert expected <= self.faults(history)

    def test_in_an_entry_that_is_missing(self, history: UUID) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE credits_entry DISABLE TRIGGER USER")
        Entry.objects.filter(number=1).delete()
        expected = {"entry_number", "entry_balance", "entry_total", "account_entry_count", "lot_entry"}
        assert expected <= self.faults(history)

    @pytest.mark.parametrize(
        ("fault", "change"),
        [
            ("entry_type_number", "UPDATE credits_entry SET type_number = type_number + 9 WHERE number = 5"),
            ("hold_number", "DELETE FROM credits_hold WHERE number = 2"),
            ("hold_refund", "UPDATE credits_hold SET refunded = refunded / 2 WHERE refunded > 0"),
            ("hold_refund", "DELETE FROM credits_entry WHERE entry_type = 'refund'"),
            ("entry_without_lot", "DELETE FROM credits_grant WHERE kind = 'purchase'"),
            ("hold_capture", "DELETE FROM credits_entry WHERE entry_type = 'usage' AND hold_number = 1"),
        ],
    )
    def test_in_what_no_trigger_kept(self, history: UUID, fault: str, change: str) -> None:
        tables = ("credits_entry", "credits_hold", "credits_grant")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(change)
            assert cursor.rowcount == 1
        assert fault in self.faults(history)

    def test_of_every_kind_is_tried_here(self) -> None:
        kinds = set(re.findall(r"'([a-z]+_[a-z_]+)'", sql.read("verify_accounts")))
        assert len(kinds) > 20
        tried = Path(__file__).read_text()
        assert [kind for kind in sorted(kinds) if f'"{kind}"' not in tried] == []
