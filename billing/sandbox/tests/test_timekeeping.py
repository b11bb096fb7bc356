"""Time goes on for everybody, whatever becomes of one object."""

from datetime import timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import store
from billing.sandbox.services import timekeeping
from billing.sandbox.tests.test_renewals import latest_invoice, period_end
from billing.sandbox.tests.test_subscriptions import subscribe
from smartspec import clock


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
