"""What a customer does on the hosted page, and what Stripe's client sees of it.

https://docs.stripe.com/payments/checkout/how-checkout-works
"""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from billing.sandbox.services import checkout, debits
from billing.sandbox.tests.conftest import emitted_types
from smartspec import clock

Open = Callable[..., stripe.checkout.Session]
Card = Callable[..., checkout.CardFields]


class TestPayWithCard:
    """https://docs.stripe.com/testing#cards"""

    def test_completes_the_session_and_pays_the_invoice(
        self, client_of_stripe: stripe.StripeClient, package: Open, card: Card
    ) -> None:
        session = package()
        outcome = checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        assert outcome.status == "complete"
        assert outcome.redirect_url == f"https://example.com/return?session_id={session.id}"
        paid = client_of_stripe.v1.checkout.sessions.retrieve(
            session.id,
            params={"expand": ["line_items", "payment_intent.latest_charge.balance_transaction", "invoice.payments"]},
        )
        assert (paid.status, paid.payment_status, paid.amount_total) == ("complete", "paid", 900)
        intent: Any = paid.payment_intent
        assert intent.status == "succeeded"
        assert intent.metadata["purchase_id"] == "p1"
        assert intent.latest_charge.balance_transaction.amount == 900
        invoice: Any = paid.invoice
        assert (invoice.status, invoice.amount_paid, invoice.metadata["purchase_id"]) == ("paid", 900, "p1")
        assert invoice.payments.data[0].payment.payment_intent == intent.id
        assert paid.line_items is not None
        assert paid.line_items.data[0].amount_total == 900

    def test_emits_the_events_in_order(self, package: Open, card: Card) -> None:
        session = package()
        before = len(emitted_types())
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        assert emitted_types()[before:] == [
            "customer.created",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "charge.updated",
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
            "invoice_payment.paid",
            "checkout.session.completed",
        ]

    @pytest.mark.parametrize(
        ("number", "message"),
        [
            ("4000 0000 0000 0002", "Your card was declined."),
            ("4000000000009995", "Your card has insufficient funds."),
            ("4000000000000069", "Your card has expired."),
            ("4000000000000127", "Your card's security code is incorrect."),
        ],
    )
    def test_leaves_the_session_open_when_the_card_is_refused(
        self, client_of_stripe: stripe.StripeClient, package: Open, card: Card, number: str, message: str
    ) -> None:
        session = package()
        outcome = checkout.pay_with_card(session_id=session.id, card=card(number), now=clock.now())
        assert (outcome.status, outcome.message) == ("declined", message)
        assert client_of_stripe.v1.checkout.sessions.retrieve(session.id).status == "open"
        again = checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        assert again.status == "complete"
        intent = client_of_stripe.v1.payment_intents.retrieve(again.session["payment_intent"])
        assert intent.status == "succeeded"
        charges = client_of_stripe.v1.charges.list(params={"payment_intent": intent.id}).data
        assert [charge.status for charge in charges] == ["succeeded", "failed"]

    @pytest.mark.parametrize(
        ("fields", "field", "message"),
        [
            ({"number": "4242424242424241"}, "number", "Your card number is invalid."),
            ({"number": "4242"}, "number", "Your card number is incomplete."),
            ({"expiry": "12 / 20"}, "exp_year", "Your card's expiration year is in the past."),
            ({"expiry": "1"}, "exp_month", "Your card's expiration date is incomplete."),
            ({"cvc": "12"}, "cvc", "Your card's security code is incomplete."),
            ({"email": "nobody"}, "email", "Your email is invalid."),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, package: Open, card: Card, fields: dict[str, str], field: str, message: str
    ) -> None:
        session = package()
        outcome = checkout.pay_with_card(session_id=session.id, card=card(**fields), now=clock.now())
        assert (outcome.status, outcome.field, outcome.message) == ("invalid", field, message)

    def test_makes_a_subscription_with_its_first_invoice(
        self, client_of_stripe: stripe.StripeClient, plan: Open, card: Card
    ) -> None:
        session = plan()
        assert session.subscription is None
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        paid = client_of_stripe.v1.checkout.sessions.retrieve(
            session.id, params={"expand": ["subscription", "invoice"]}
        )
        subscription: Any = paid.subscription
        assert subscription.status == "active"
        assert subscription.metadata["user_id"] == "u1"
        invoice: Any = paid.invoice
        assert subscription.latest_invoice == invoice.id
        assert (invoice.status, invoice.billing_reason, invoice.amount_paid) == ("paid", "subscription_create", 2900)
        assert invoice.parent.subscription_details.subscription == subscription.id
        assert paid.payment_intent is None
        item = subscription["items"]["data"][0]
        line = invoice.lines.data[0]
        assert (line.period.start, line.period.end) == (item.current_period_start, item.current_period_end)
        assert line.pricing.price_details.price == "price_smartspec_pro_monthly"
        methods = client_of_stripe.v1.customers.payment_methods.list(subscription.customer).data
        assert [method.id for method in methods] == [subscription.default_payment_method]

    def test_puts_what_is_bought_once_on_the_first_invoice(
        self, client_of_stripe: stripe.StripeClient, plan: Open, card: Card
    ) -> None:
        once = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Setting up"}}
        session = plan(
            line_items=[
                {"price": "price_smartspec_pro_monthly", "quantity": 1},
                {"price_data": once, "quantity": 1},
            ]
        )
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        paid: Any = client_of_stripe.v1.checkout.sessions.retrieve(session.id, params={"expand": ["invoice"]})
        assert [line.amount for line in paid.invoice.lines.data] == [2900, 500]
        assert (paid.amount_total, paid.invoice.amount_paid, paid.invoice.amount_due) == (3400, 3400, 3400)
        pending = client_of_stripe.v1.invoice_items.list(params={"customer": paid.customer, "pending": True})
        assert pending.data == []

    def test_refuses_a_session_that_is_paid(self, package: Open, card: Card) -> None:
        session = package()
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        with pytest.raises(Exception, match="already been completed"):
            checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())


class TestSetupMode:
    """https://docs.stripe.com/api/checkout/sessions/create"""

    def test_saves_the_card_and_charges_nothing(self, client_of_stripe: stripe.StripeClient, card: Card) -> None:
        customer = client_of_stripe.v1.customers.create(params={"email": "alice@example.com"})
        session = client_of_stripe.v1.checkout.sessions.create(
            params={"mode": "setup", "customer": customer.id, "success_url": "https://example.com", "currency": "usd"}
        )
        refused = checkout.pay_with_card(session_id=session.id, card=card("4000000000000002"), now=clock.now())
        assert refused.message == "Your card was declined."
        checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        saved: Any = client_of_stripe.v1.checkout.sessions.retrieve(session.id, params={"expand": ["setup_intent"]})
        assert (saved.status, saved.payment_status) == ("complete", "no_payment_required")
        assert saved.setup_intent.status == "succeeded"
        methods = client_of_stripe.v1.customers.payment_methods.list(customer.id).data
        assert [method.id for method in methods] == [saved.setup_intent.payment_method]


class TestAuthentication:
    """https://docs.stripe.com/payments/3d-secure/authentication-flow"""

    def test_pays_when_completed(self, client_of_stripe: stripe.StripeClient, package: Open, card: Card) -> None:
        session = package()
        outcome = checkout.pay_with_card(session_id=session.id, card=card("4000002500003155"), now=clock.now())
        assert outcome.status == "requires_authentication"
        intent = client_of_stripe.v1.payment_intents.retrieve(outcome.payment_intent)
        assert intent.status == "requires_action"
        assert checkout.complete_authentication(session_id=session.id, now=clock.now()).status == "complete"
        assert client_of_stripe.v1.payment_intents.retrieve(intent.id).status == "succeeded"

    def test_can_be_tried_again_when_failed(self, package: Open, card: Card) -> None:
        session = package()
        checkout.pay_with_card(session_id=session.id, card=card("4000002500003155"), now=clock.now())
        outcome = checkout.fail_authentication(session_id=session.id, now=clock.now())
        assert outcome.status == "declined"
        assert outcome.message.startswith("We are unable to authenticate your payment method.")
        again = checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
        assert again.status == "complete"


class TestBankDebit:
    """https://docs.stripe.com/payments/ach-direct-debit"""

    def pay(self, session: stripe.checkout.Session, number: str = "000123456789") -> checkout.PaymentOutcome:
        return checkout.pay_with_bank_debit(
            session_id=session.id,
            account_number=number,
            name="Alice Doe",
            email="alice@example.com",
            now=clock.now(),
        )

    def test_completes_unpaid_and_succeeds_later(self, client_of_stripe: stripe.StripeClient, package: Open) -> None:
        session = package()
        assert self.pay(session).status == "complete"
        waiting = client_of_stripe.v1.checkout.sessions.retrieve(session.id)
        assert (waiting.status, waiting.payment_status, waiting.invoice) == ("complete", "unpaid", None)
        checkout.settle_bank_debit(session_id=session.id, outcome="succeed", now=clock.now())
        paid = client_of_stripe.v1.checkout.sessions.retrieve(session.id)
        assert paid.payment_status == "paid"
        assert paid.invoice is not None
        assert emitted_types()[-1] == "checkout.session.async_payment_succeeded"

    def test_fails_later_as_the_account_number_says(self, client_of_stripe: stripe.StripeClient, package: Open) -> None:
        session = package()
        self.pay(session, "000111111116")
        checkout.settle_bank_debit(session_id=session.id, now=clock.now())
        failed = client_of_stripe.v1.checkout.sessions.retrieve(session.id)
        assert failed.payment_status == "unpaid"
        assert emitted_types()[-1] == "checkout.session.async_payment_failed"

    @pytest.mark.parametrize(("outcome", "payment_status"), [("succeed", "paid"), ("fail", "unpaid")])
    def test_is_settled_although_the_customer_was_deleted_meanwhile(
        self, outcome: Any, payment_status: str, client_of_stripe: stripe.StripeClient, package: Open
    ) -> None:
        session = package()
        self.pay(session)
        customer: Any = client_of_stripe.v1.checkout.sessions.retrieve(session.id).customer
        client_of_stripe.v1.customers.delete(customer)
        checkout.settle_bank_debit(session_id=session.id, outcome=outcome, now=clock.now())
        settled = client_of_stripe.v1.checkout.sessions.retrieve(session.id)
        assert (settled.payment_status, settled.invoice) == (payment_status, None)
        assert debits.list_open_debits() == []
        assert emitted_types()[-1].startswith("checkout.session.async_payment_")

    def test_settles_once(self, package: Open) -> None:
        session = package()
        self.pay(session)
        checkout.settle_bank_debit(session_id=session.id, now=clock.now())
        count = len(emitted_types())
        checkout.settle_bank_debit(session_id=session.id, outcome="fail", now=clock.now())
        assert len(emitted_types()) == count
