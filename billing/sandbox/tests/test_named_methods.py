"""Stripe's named test payment methods do what their names say.

https://docs.stripe.com/testing
"""

from datetime import timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import cards
from billing.sandbox.services import authentication, debits, payments, timekeeping
from smartspec import clock

REFUSED_ON_ATTACH = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedLostCard": "lost_card",
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": "card_velocity_exceeded",
    "pm_card_chargeDeclinedFraudulent": "fraudulent",
}


def charge(client: stripe.StripeClient, method: str, *, off_session: bool = False, **more: str) -> stripe.PaymentIntent:
    """Charge $20, as a program does."""
    params: Any = {"amount": 2000, "currency": "usd", "payment_method": method, "confirm": True, **more}
    params["off_session"] = off_session
    params["payment_method_types"] = ["us_bank_account"] if "usBankAccount" in method else ["card"]
    return client.v1.payment_intents.create(params=params)


class TestNamedCards:
    @pytest.mark.parametrize("name", cards.NAMED_CARDS)
    def test_are_cards_that_exist(self, name: str, client_of_stripe: stripe.StripeClient) -> None:
        cards.check_number(cards.NAMED_CARDS[name])
        assert cards.find_card(cards.NAMED_CARDS[name]).outcome != "test_mode_live_card"

    @pytest.mark.parametrize(("name", "decline_code"), REFUSED_ON_ATTACH.items())
    def test_that_are_declined_cannot_be_saved_or_charged(
        self, name: str, decline_code: str, client_of_stripe: stripe.StripeClient
    ) -> None:
        customer = client_of_stripe.v1.customers.create(params={})
        with pytest.raises(stripe.CardError) as attached:
            client_of_stripe.v1.payment_methods.attach(name, params={"customer": customer.id})
        with pytest.raises(stripe.CardError) as charged:
            charge(client_of_stripe, name)
        for raised in (attached, charged):
            assert raised.value.error.decline_code == decline_code  # type: ignore[union-attr]

    def test_that_fails_its_customer_is_saved_and_never_pays(self, client_of_stripe: stripe.StripeClient) -> None:
        customer = client_of_stripe.v1.customers.create(params={})
        saved = client_of_stripe.v1.payment_methods.attach(
            "pm_card_chargeCustomerFail", params={"customer": customer.id}
        )
        with pytest.raises(stripe.CardError):
            charge(client_of_stripe, saved.id, customer=customer.id)

    @pytest.mark.parametrize(
        ("name", "outcome"),
        [
            ("pm_card_threeDSecure2Required", "succeeded"),
            ("pm_card_authenticationRequired", "succeeded"),
            ("pm_card_threeDSecureRequiredChargeDeclined", "requires_payment_method"),
            ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "requires_payment_method"),
        ],
    )
    def test_that_ask_for_authentication(self, name: str, outcome: str, client_of_stripe: stripe.StripeClient) -> None:
        intent = charge(client_of_stripe, name)
        assert intent.status == "requires_action"
        authentication.answer(intent.id, outcome="complete", now=clock.now())
        assert client_of_stripe.v1.payment_intents.retrieve(intent.id).status == outcome

    def test_that_is_set_up_asks_only_while_the_customer_is_there(self, client_of_stripe: stripe.StripeClient) -> None:
        name = "pm_card_authenticationRequiredSetupForOffSession"
        assert charge(client_of_stripe, name).status == "requires_action"
        assert charge(client_of_stripe, name, off_session=True).status == "succeeded"

    def test_that_ask_are_refused_when_the_customer_is_not_there(self, client_of_stripe: stripe.StripeClient) -> None:
        with pytest.raises(stripe.CardError) as raised:
            charge(client_of_stripe, "pm_card_authenticationRequired", off_session=True)
        assert raised.value.code == "authentication_required"

    def test_say_where_they_are_from_and_what_was_checked(self, client_of_stripe: stripe.StripeClient) -> None:
        customer = client_of_stripe.v1.customers.create(params={})
        attach = client_of_stripe.v1.payment_methods.attach
        assert attach("pm_card_th", params={"customer": customer.id}).card.country == "TH"  # type: ignore[union-attr]
        checked = attach("pm_card_cvcCheckFail", params={"customer": customer.id})
        assert checked.card.checks.cvc_check == "fail"  # type: ignore[union-attr]


class TestSetupIntents:
    """https://docs.stripe.com/api/setup_intents"""

    def test_say_that_a_card_was_declined(self, client_of_stripe: stripe.StripeClient) -> None:
        api: Any = client_of_stripe.v1.setup_intents
        intent = api.create(params={})
        with pytest.raises(stripe.CardError) as raised:
            api.confirm(intent.id, params={"payment_method": "pm_card_chargeDeclined"})
        assert raised.value.code == "card_declined"
        assert api.retrieve(intent.id).status == "requires_payment_method"

    def test_end_once(self, client_of_stripe: stripe.StripeClient) -> None:
        api: Any = client_of_stripe.v1.setup_intents
        intent = api.create(params={"payment_method": "pm_card_visa", "confirm": True})
        for attempt in (lambda: api.confirm(intent.id), lambda: api.cancel(intent.id)):
            with pytest.raises(stripe.InvalidRequestError) as raised:
                attempt()
            assert raised.value.code == "setup_intent_unexpected_state"


class TestAnothersCard:
    """https://docs.stripe.com/api/payment_methods/attach"""

    def test_neither_pays_nor_moves(self, client_of_stripe: stripe.StripeClient) -> None:
        api: Any = client_of_stripe.v1
        alice, bob = (api.customers.create(params={"email": f"{name}@example.com"}) for name in ("alice", "bob"))
        card = api.payment_methods.attach("pm_card_visa", params={"customer": alice.id}).id
        taken = {"customer": bob.id, "payment_method": card, "confirm": True}
        sale = {"amount": 1000, "currency": "usd"}
        for attempt in (
            lambda: api.setup_intents.create(params=taken),
            lambda: api.payment_intents.create(params=taken | sale),
            lambda: api.payment_intents.create(params={"payment_method": card, "confirm": True} | sale),
        ):
            with pytest.raises(stripe.InvalidRequestError, match="customer"):
                attempt()
        assert api.payment_methods.retrieve(card).customer == alice.id

    def test_does_not_pay_an_invoice(self, client_of_stripe: stripe.StripeClient) -> None:
        api: Any = client_of_stripe.v1
        alice, bob = (api.customers.create(params={"email": f"{name}@example.com"}) for name in ("alice", "bob"))
        card = api.payment_methods.attach("pm_card_visa", params={"customer": alice.id}).id
        api.invoice_items.create(params={"customer": bob.id, "amount": 900, "currency": "usd"})
        invoice = api.invoices.create(params={"customer": bob.id, "pending_invoice_items_behavior": "include"})
        with pytest.raises(stripe.InvalidRequestError, match="must be attached"):
            api.invoices.pay(invoice.id, params={"payment_method": card})
        assert api.payment_methods.retrieve(card).customer == alice.id


class TestNamedBankAccounts:
    """https://docs.stripe.com/payments/ach-direct-debit/accept-a-payment#test-account-numbers"""

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            ("pm_usBankAccount_success", "succeeded"),
            ("pm_usBankAccount_insufficientFunds", "requires_payment_method"),
            ("pm_usBankAccount_debitNotAuthorized", "requires_payment_method"),
        ],
    )
    def test_are_answered_later(self, name: str, status: str, client_of_stripe: stripe.StripeClient) -> None:
        intent = charge(client_of_stripe, name)
        assert intent.status == "processing"
        timekeeping.pass_time(now=clock.now())
        assert client_of_stripe.v1.payment_intents.retrieve(intent.id).status == "processing"
        timekeeping.pass_time(now=clock.now() + payments.SETTLES_AFTER)
        assert client_of_stripe.v1.payment_intents.retrieve(intent.id).status == status

    @pytest.mark.parametrize(("outcome", "status"), [("succeed", "succeeded"), ("fail", "requires_payment_method")])
    def test_one_is_answered_by_hand_alone(
        self, outcome: Any, status: str, client_of_stripe: stripe.StripeClient
    ) -> None:
        intent = charge(client_of_stripe, "pm_usBankAccount_processing")
        timekeeping.pass_time(now=clock.now() + timedelta(days=90))
        assert client_of_stripe.v1.payment_intents.retrieve(intent.id).status == "processing"
        debits.settle_debit(intent.id, outcome=outcome, now=clock.now())
        assert client_of_stripe.v1.payment_intents.retrieve(intent.id).status == status
