"""Time goes on for everybody, whatever becomes of one object."""

from datetime import timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import store
from billing.sandbox.services import debits, payments, timekeeping
from billing.sandbox.tests.conftest import emitted_types
from billing.sandbox.tests.test_renewals import latest_invoice, period_end, use_card
from billing.sandbox.tests.test_subscriptions import ENTERPRISE, MONTHLY, change, subscribe
from smartspec import clock

RETRY = timedelta(days=3, minutes=1)


def draft_invoice(client: stripe.StripeClient, customer: str, **params: Any) -> Any:
    """Make an invoice by hand over $5 that is finalised and paid by itself in an hour."""
    client.v1.invoice_items.create(params={"customer": customer, "amount": 500, "currency": "usd"})
    wanted: Any = {"customer": customer, "auto_advance": True, "pending_invoice_items_behavior": "include", **params}
    return client.v1.invoices.create(params=wanted)


class TestWhatCannotBePlayed:
    @pytest.fixture
    def broken(self, client_of_stripe: stripe.StripeClient) -> Any:
        """An invoice that is due within the hour and is to be paid with nothing that exists."""
        draft = draft_invoice(client_of_stripe, subscribe(client_of_stripe).customer)
        store.save(store.get("invoice", draft.id) | {"default_payment_method": "pm_gone"})
        return draft

    def test_does_not_stop_what_comes_after_it(
        self, broken: Any, client_of_stripe: stripe.StripeClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        subscription = subscribe(client_of_stripe)
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=2))
        assert latest_invoice(subscription.id)["billing_reason"] == "subscription_cycle"
        assert store.get("invoice", broken.id)["status"] == "draft"
        (said,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert broken.id in said.getMessage()
        assert "pm_gone" in str(said.exc_info)

    def test_is_played_again_once_somebody_changed_it(self, broken: Any, client_of_stripe: stripe.StripeClient) -> None:
        timekeeping.pass_time(now=clock.now() + timedelta(hours=2))
        client_of_stripe.v1.invoices.update(broken.id, params={"default_payment_method": ""})
        timekeeping.pass_time(now=clock.now() + timedelta(hours=2))
        assert store.get("invoice", broken.id)["status"] == "paid"

    def test_does_not_stop_them_either_when_playing_it_changes_nothing(
        self, client_of_stripe: stripe.StripeClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        invoice = store.get("invoice", subscribe(client_of_stripe).latest_invoice)
        store.set_due(invoice["id"], clock.now())  # it is paid: nothing is left to do
        later = subscribe(client_of_stripe)
        timekeeping.pass_time(now=period_end(later.id) + timedelta(hours=2))
        assert latest_invoice(later.id)["billing_reason"] == "subscription_cycle"
        assert f"{invoice['id']} stays due" in caplog.text


class TestRetryOfAChange:
    """The invoice of an upgrade is tried again like that of a renewal, whatever it is then paid with."""

    @pytest.fixture
    def owed(self, client_of_stripe: stripe.StripeClient) -> Any:
        """A subscription whose upgrade was refused once."""
        subscription = subscribe(client_of_stripe)
        use_card(client_of_stripe, subscription.customer, "pm_card_chargeCustomerFail")
        wanted = change(subscription, ENTERPRISE, proration_behavior="always_invoice")
        client_of_stripe.v1.subscriptions.update(subscription.id, params=wanted)  # type: ignore[arg-type]
        assert latest_invoice(subscription.id)["attempt_count"] == 1
        return subscription

    def test_by_a_card_that_asks_for_authentication_is_a_failed_attempt(
        self, owed: Any, client_of_stripe: stripe.StripeClient
    ) -> None:
        use_card(client_of_stripe, owed.customer, "pm_card_threeDSecure2Required")
        tried_at = latest_invoice(owed.id)["next_payment_attempt"]
        timekeeping.pass_time(now=clock.now() + RETRY)
        invoice = latest_invoice(owed.id)
        assert (invoice["status"], invoice["attempt_count"]) == ("open", 2)
        assert invoice["next_payment_attempt"] == tried_at + 5 * 86400
        assert emitted_types()[-2:] == ["invoice.payment_failed", "invoice.payment_action_required"]

    def test_by_a_bank_debit_waits_for_the_bank(self, owed: Any, client_of_stripe: stripe.StripeClient) -> None:
        use_card(client_of_stripe, owed.customer, "pm_usBankAccount_processing")
        timekeeping.pass_time(now=clock.now() + RETRY)
        invoice = latest_invoice(owed.id)
        assert (invoice["status"], invoice["next_payment_attempt"]) == ("open", None)

    @pytest.mark.parametrize(
        ("account", "status"), [("pm_usBankAccount_success", "active"), ("pm_usBankAccount_noAccount", "past_due")]
    )
    def test_by_a_bank_debit_ends_by_itself(
        self, account: str, status: str, owed: Any, client_of_stripe: stripe.StripeClient
    ) -> None:
        use_card(client_of_stripe, owed.customer, account)
        timekeeping.pass_time(now=clock.now() + RETRY + payments.SETTLES_AFTER)
        assert store.get("subscription", owed.id)["status"] == status
        assert latest_invoice(owed.id)["attempt_count"] == 2

    def test_by_a_bank_debit_that_fails_is_followed_by_the_next(
        self, owed: Any, client_of_stripe: stripe.StripeClient
    ) -> None:
        use_card(client_of_stripe, owed.customer, "pm_usBankAccount_processing")
        timekeeping.pass_time(now=clock.now() + RETRY)
        answered_at = clock.now() + timedelta(days=4)
        (debit,) = debits.list_open_debits()
        debits.settle_debit(debit["id"], outcome="fail", now=answered_at)
        invoice = latest_invoice(owed.id)
        assert (invoice["status"], invoice["attempt_count"]) == ("open", 2)
        assert invoice["next_payment_attempt"] == store.timestamp(answered_at + timedelta(days=5))
        assert store.get("subscription", owed.id)["status"] == "past_due"


class TestFirstInvoice:
    def test_that_is_voided_ends_the_subscription(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/billing/subscriptions/overview#void"""
        subscription = subscribe(client_of_stripe, card="pm_card_chargeCustomerFail")
        client_of_stripe.v1.invoices.void_invoice(subscription.latest_invoice)
        ended = store.get("subscription", subscription.id)
        assert ended["status"] == "incomplete_expired"
        assert ended["ended_at"] is not None
        assert emitted_types()[-2:] == ["invoice.voided", "customer.subscription.updated"]
        assert timekeeping.pass_time(now=clock.now() + timedelta(days=2)) == 0


class TestSchedule:
    @pytest.mark.parametrize("ends_with_the_period", [True, False])
    def test_enters_a_phase_whose_price_was_archived_since(
        self, ends_with_the_period: bool, client_of_stripe: stripe.StripeClient
    ) -> None:
        api, subscription = client_of_stripe.v1, subscribe(client_of_stripe, ENTERPRISE)
        schedule = api.subscription_schedules.create(params={"from_subscription": subscription.id})
        start, end = schedule.phases[0].start_date, schedule.phases[0].end_date
        end -= 0 if ends_with_the_period else 10 * 86400
        phases: Any = [
            {"items": [{"price": ENTERPRISE}], "start_date": start, "end_date": end},
            {"items": [{"price": MONTHLY}], "duration": {"interval": "month"}},
        ]
        api.subscription_schedules.update(schedule.id, params={"phases": phases})
        api.prices.update(MONTHLY, params={"active": False})
        timekeeping.pass_time(now=store.moment(end) + timedelta(hours=2))
        (item,) = store.get("subscription", subscription.id)["items"]["data"]
        assert item["price"]["id"] == MONTHLY
        with pytest.raises(stripe.InvalidRequestError, match="The price specified is inactive"):
            subscribe(client_of_stripe)


class TestInvoiceByHand:
    def test_is_paid_with_nothing_but_the_customers_own(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/api/invoices/create#create_invoice-default_payment_method"""
        own, other = subscribe(client_of_stripe), subscribe(client_of_stripe)
        draft = draft_invoice(client_of_stripe, own.customer)
        of_another = client_of_stripe.v1.customers.payment_methods.list(other.customer).data[0].id
        for method in ("pm_nonsense", "pm_card_visa", of_another):
            for attempt in (
                lambda method=method: draft_invoice(client_of_stripe, own.customer, default_payment_method=method),
                lambda method=method: client_of_stripe.v1.invoices.update(
                    draft.id, params={"default_payment_method": method}
                ),
            ):
                with pytest.raises(stripe.InvalidRequestError) as raised:
                    attempt()
                assert (raised.value.code, raised.value.param) == ("resource_missing", "default_payment_method")

    def test_rests_when_its_customer_is_deleted(self, client_of_stripe: stripe.StripeClient) -> None:
        customer = subscribe(client_of_stripe).customer
        draft = draft_invoice(client_of_stripe, customer)
        client_of_stripe.v1.customers.delete(customer)
        assert not store.get("invoice", draft.id)["auto_advance"]
        assert timekeeping.pass_time(now=clock.now() + timedelta(days=2)) == 0

    @pytest.mark.parametrize(("outcome", "status"), [("succeed", "paid"), ("fail", "open")])
    def test_is_settled_although_its_customer_is_deleted(
        self, outcome: Any, status: str, client_of_stripe: stripe.StripeClient
    ) -> None:
        subscription = subscribe(client_of_stripe)
        use_card(client_of_stripe, subscription.customer, "pm_usBankAccount_processing")
        timekeeping.pass_time(now=period_end(subscription.id) + timedelta(hours=1))
        (debit,) = debits.list_open_debits()
        client_of_stripe.v1.customers.delete(subscription.customer)
        debits.settle_debit(debit["id"], outcome=outcome, now=clock.now())
        assert latest_invoice(subscription.id)["status"] == status
        assert debits.list_open_debits() == []
