"""A bank may answer for days: what somebody had bought by debit is paid, or not, when nobody is they any more."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import services
from billing.models import Purchase
from billing.sandbox.services import debits, faults
from billing.tests.conftest import open_credits, pay_later, settle_debit
from billing.tests.test_backoffice.desk import do, page_of, staff_client, text_of
from credits import selectors as credits_selectors
from credits import services as credits_services
from smartspec import clock
from smartspec.users.models import SentMail, User

Settle = Callable[[str], Purchase]


@pytest.fixture
def settle(
    alice_client: APIClient,
    run_jobs: Callable[..., int],
    mailoutbox: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> Settle:
    """Return a function that lets the bank answer after Alice bought by debit and was erased."""
    session_id = open_credits(alice_client, 100)
    pay_later(session_id)
    run_jobs()
    assert Purchase.objects.get().state == "processing"
    assert alice_client.delete("/api/me").status_code == 204
    run_jobs(mirror=True)
    mailoutbox.clear()

    def answer(outcome: str) -> Purchase:
        with django_capture_on_commit_callbacks(execute=True):
            settle_debit(session_id, outcome)
            run_jobs(mirror=True)
        assert debits.list_open_debits() == []
        return Purchase.objects.get()

    return answer


def assert_books_are_right(user: User) -> None:
    assert services.reconcile(now=clock.now()).remaining == 0
    assert credits_selectors.verify_account(account_id=user.pk) == []


class TestPaid:
    def test_is_booked_to_the_account_that_has_no_name(self, settle: Settle, alice: User) -> None:
        purchase = settle("succeed")
        assert (purchase.state, purchase.user_id, purchase.paid_cents) == ("fulfilled", alice.pk, 900)
        assert credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available == 105
        assert_books_are_right(alice)

    def test_can_be_spent_by_nobody(self, settle: Settle, alice: User) -> None:
        settle("succeed")
        with pytest.raises(credits_services.UnknownAccount):
            credits_services.place_hold(
                account_id=alice.pk,
                operation="image_generation",
                reference_id="job_1",
                idempotency_key="job_1",
                now=clock.now(),
            )

    def test_is_told_to_nobody(self, settle: Settle, alice: User, mailoutbox: list[Any]) -> None:
        settle("succeed")
        assert mailoutbox == []
        assert not SentMail.objects.filter(user=alice).exists()

    def test_is_seen_by_staff_who_may_send_it_back(self, settle: Settle, alice: User, run_jobs: Any) -> None:
        purchase, administrator = settle("succeed"), staff_client("Admin")
        assert "100 credits" in text_of(administrator.get(page_of(alice)))
        do(administrator, alice, "refund-purchase", str(purchase.pk), amount="")
        run_jobs()
        assert credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available == 0
        assert_books_are_right(alice)


class TestNotPaid:
    def test_gives_nothing(self, settle: Settle, alice: User) -> None:
        assert settle("fail").state == "failed"
        assert credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available == 0
        assert_books_are_right(alice)


class TestNewsThatIsLost:
    def test_is_made_good_by_the_daily_comparison(self, settle: Settle, alice: User) -> None:
        faults.add_fault("drop")
        assert settle("succeed").state == "processing"
        assert services.reconcile(now=clock.now()).remaining == 1
        assert services.reconcile(now=clock.now(), is_repair=True).repaired == 1
        assert Purchase.objects.get().state == "fulfilled"
        assert_books_are_right(alice)
