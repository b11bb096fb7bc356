"""Buying credits, from the request to the grant."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import services
from billing.models import Purchase
from billing.sandbox import store
from billing.sandbox.services import checkout
from billing.tests.conftest import (
    ASKING_CARD,
    DECLINED_CARD,
    POOR_CARD,
    open_credits,
    pay,
    pay_later,
    settle_debit,
)
from credits import selectors as credits_selectors
from credits.models import Entry, Grant
from smartspec import clock

pytestmark = pytest.mark.django_db

URL = "/api/payment/checkout/credits"


def available(user: Any) -> Decimal:
    return credits_selectors.get_balance(account_id=user.pk, now=clock.now()).available


def bought(user: Any) -> list[tuple[str, Decimal]]:
    """What purchases gave, kind by kind."""
    grants = Grant.objects.filter(account_id=user.pk, source__startswith="purchase:").order_by("number")
    return [(grant.kind, grant.credits) for grant in grants]


class TestOpening:
    def test_sends_stripe_exactly_what_was_quoted(self, alice: Any, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client, 100, success_url="smartspec://paid")
        purchase = Purchase.objects.get(session_id=session_id)
        session = store.get("checkout.session", session_id)
        assert session["amount_subtotal"] == purchase.price_cents == 900
        assert session["currency"] == "usd"
        assert session["metadata"] == {
            "purchase_id": str(purchase.pk),
            "user_id": str(alice.pk),
            "credits": "100",
            "bonus_credits": "5",
        }
        assert session["client_reference_id"] == str(alice.pk)
        assert session["invoice_creation"]["enabled"] is True
        # Never the app's address itself: our own page leads on to it.
        assert session["success_url"].endswith("/pay/return?session_id={CHECKOUT_SESSION_ID}")
        assert session["cancel_url"].endswith(f"/pay/cancel?checkout={purchase.pk}")
        assert purchase.success_url == "smartspec://paid"
        customer = store.get("customer", session["customer"])
        assert customer["metadata"]["user_id"] == str(alice.pk)
        assert customer["email"] == "alice@smartspec.test"

    def test_uses_one_customer_for_all_checkouts(self, alice_client: APIClient) -> None:
        sessions = [store.get("checkout.session", open_credits(alice_client)) for _ in range(2)]
        assert sessions[0]["customer"] == sessions[1]["customer"]
        assert sessions[0]["id"] != sessions[1]["id"]

    @pytest.mark.parametrize(
        "amount", [9, 10_001, 12.5, "100", -1, True, None, [], {}, 0, 10**30, "ten"], ids=lambda value: repr(value)
    )
    def test_refuses_what_is_no_whole_number_from_10_to_10000(self, alice_client: APIClient, amount: Any) -> None:
        answer = alice_client.post(URL, {"credits_amount": amount})
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        assert [error["attr"] for error in answer.json()["errors"]] == ["credits_amount"]
        assert not Purchase.objects.exists()

    def test_refuses_a_body_without_an_amount(self, alice_client: APIClient) -> None:
        answer = alice_client.post(URL, {})
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "credits_amount")

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/",
            "http://localhost:8000@evil.example/",
            "http://localhost:8000.evil.example/",
            "//evil.example",
            "javascript:alert(1)",
            "smartspec:paid",
            "smartspecx://paid",
            "http://localhost:1420\\@evil.example",
            "smartspec://paid\r\nX: y",
            "http://[",
            17,
        ],
    )
    @pytest.mark.parametrize("field", ["success_url", "cancel_url"])
    def test_refuses_a_foreign_address(self, alice_client: APIClient, field: str, url: Any) -> None:
        answer = alice_client.post(URL, {"credits_amount": 100, field: url})
        assert answer.status_code == 400
        assert [error["attr"] for error in answer.json()["errors"]] == [field]

    @pytest.mark.parametrize("url", ["smartspec://paid", "tauri://localhost/done", "http://localhost:1420/x?y=z"])
    def test_takes_the_apps_addresses(self, alice_client: APIClient, url: str) -> None:
        open_credits(alice_client, 100, success_url=url, cancel_url=url)

    def test_is_refused_while_the_account_is_frozen(self, alice: Any, alice_client: APIClient) -> None:
        from credits import services as credits_services

        credits_services.freeze(account_id=alice.pk, cause="staff", now=clock.now())
        answer = alice_client.post(URL, {"credits_amount": 100})
        assert (answer.status_code, answer.json()["code"]) == (403, "account_frozen")
        assert not Purchase.objects.exists()


class TestIdempotencyKey:
    def test_gives_the_first_answer_again(self, alice_client: APIClient) -> None:
        answers = [alice_client.post(URL, {"credits_amount": 100}, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert "Idempotent-Replayed" not in answers[0].headers
        assert answers[1].headers["Idempotent-Replayed"] == "true"
        assert Purchase.objects.count() == 1

    def test_refuses_another_body(self, alice_client: APIClient) -> None:
        alice_client.post(URL, {"credits_amount": 100}, headers={"Idempotency-Key": "k"})
        answer = alice_client.post(URL, {"credits_amount": 250}, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")

    def test_is_each_users_own(self, alice_client: APIClient, bob_client: APIClient) -> None:
        first, second = (
            client.post(URL, {"credits_amount": 100}, headers={"Idempotency-Key": "k"}).json()
            for client in (alice_client, bob_client)
        )
        assert first["session_id"] != second["session_id"]

    def test_may_succeed_after_a_refusal(self, alice_client: APIClient, settings: Any) -> None:
        working = settings.STRIPE_HTTP_CLIENT
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        answer = alice_client.post(URL, {"credits_amount": 100}, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (502, "stripe_unavailable")
        settings.STRIPE_HTTP_CLIENT = working
        answer = alice_client.post(URL, {"credits_amount": 250}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 200

    def test_survives_an_outage_after_the_row_was_written(self, alice_client: APIClient, settings: Any) -> None:
        open_credits(alice_client)  # the customer exists from here on
        working = settings.STRIPE_HTTP_CLIENT
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        assert alice_client.post(URL, {"credits_amount": 250}, headers={"Idempotency-Key": "k"}).status_code == 502
        assert Purchase.objects.get(credits=250).state == "failed"
        settings.STRIPE_HTTP_CLIENT = working
        assert alice_client.post(URL, {"credits_amount": 250}, headers={"Idempotency-Key": "k"}).status_code == 200

    def test_refuses_one_that_is_empty_or_too_long(self, alice_client: APIClient) -> None:
        for key in ("", "k" * 256):
            answer = alice_client.post(URL, {"credits_amount": 100}, headers={"Idempotency-Key": key})
            assert answer.status_code == 400


class TestPaying:
    def test_gives_credits_and_bonus_as_two_entries(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        before = available(alice)
        assert pay(session_id).status == "complete"
        run_jobs()
        assert available(alice) == before + 105
        assert bought(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]
        assert Entry.objects.filter(account_id=alice.pk, entry_type__in=["purchase", "bonus"]).count() == 2
        purchase = Purchase.objects.get(session_id=session_id)
        assert (purchase.state, purchase.paid_cents) == ("fulfilled", 900)
        assert purchase.payment_intent_id.startswith("pi_")
        assert list(Grant.objects.order_by("number").values_list("kind", "paid_cents", "currency"))[-2:] == [
            ("purchase", 900, "usd"),
            ("bonus", None, ""),
        ]

    def test_of_a_custom_amount_gives_no_bonus(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        pay(open_credits(alice_client, 137))
        run_jobs()
        assert bought(alice) == [("purchase", Decimal(137))]
        assert Purchase.objects.get().paid_cents == 1233

    def test_is_seen_by_the_poll_before_the_webhook_comes(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        url = f"/api/payment/checkout/{session_id}"
        assert alice_client.get(url).json() == {
            "session_id": session_id,
            "mode": "payment",
            "status": "open",
            "credits_granted": 0,
        }
        pay(session_id)
        assert alice_client.get(url).json() == {
            "session_id": session_id,
            "mode": "payment",
            "status": "fulfilled",
            "credits_granted": 105,
        }
        run_jobs()  # and then the webhooks come, all of them
        assert bought(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]

    @pytest.mark.parametrize(
        ("card", "message"),
        [(DECLINED_CARD, "Your card was declined."), (POOR_CARD, "Your card has insufficient funds.")],
    )
    def test_with_a_refused_card_gives_nothing_and_may_be_tried_again(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int], card: str, message: str
    ) -> None:
        session_id = open_credits(alice_client, 100)
        outcome = pay(session_id, card)
        assert (outcome.status, outcome.message) == ("declined", message)
        run_jobs()
        assert bought(alice) == []
        assert alice_client.get(f"/api/payment/checkout/{session_id}").json()["status"] == "open"
        assert pay(session_id).status == "complete"
        run_jobs()
        assert bought(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]

    def test_with_authentication_waits_for_it(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        assert pay(session_id, ASKING_CARD).status == "requires_authentication"
        run_jobs()
        assert bought(alice) == []
        checkout.complete_authentication(session_id=session_id, now=clock.now())
        run_jobs()
        assert bought(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]

    def test_twice_of_two_sessions_gives_twice(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        for session_id in [open_credits(alice_client, 50), open_credits(alice_client, 50)]:
            pay(session_id)
        run_jobs()
        assert bought(alice) == [("purchase", Decimal(50))] * 2

    def test_makes_an_invoice_that_grants_nothing_of_its_own(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        pay(open_credits(alice_client, 50))
        run_jobs()
        invoices = alice_client.get("/api/payment/invoices").json()["invoices"]
        assert [(invoice["amount_paid"], invoice["status"]) for invoice in invoices] == [(500, "paid")]
        services.record_invoice(invoice_id=invoices[0]["id"], now=clock.now())
        assert bought(alice) == [("purchase", Decimal(50))]


class TestPromotionCode:
    @pytest.mark.parametrize(("percent_off", "paid_cents"), [(50, 450), (100, 0)])
    def test_lowers_what_is_paid_and_not_what_is_given(
        self,
        alice: Any,
        alice_client: APIClient,
        run_jobs: Callable[[], int],
        percent_off: int,
        paid_cents: int,
    ) -> None:
        from billing import gateway

        client = gateway.client()
        coupon = client.v1.coupons.create({"percent_off": percent_off, "duration": "once"})
        client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "SPRING"})
        session_id = open_credits(alice_client, 100)
        checkout.apply_promotion_code(session_id, "SPRING", now=clock.now())
        if paid_cents:
            pay(session_id)
        else:
            checkout.complete_without_payment(session_id=session_id, now=clock.now())
        run_jobs()
        purchase = Purchase.objects.get()
        assert (purchase.state, purchase.price_cents, purchase.paid_cents) == ("fulfilled", 900, paid_cents)
        assert Grant.objects.get(kind="purchase").paid_cents == paid_cents
        assert bought(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]


class TestDelayedPayment:
    def test_is_processing_until_the_bank_answers(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        pay_later(session_id)
        run_jobs()
        status = alice_client.get(f"/api/payment/checkout/{session_id}").json()
        assert (status["status"], status["credits_granted"]) == ("processing", 0)
        assert bought(alice) == []  # a completed session is not a paid one
        settle_debit(session_id, "succeed")
        run_jobs()
        assert alice_client.get(f"/api/payment/checkout/{session_id}").json()["status"] == "fulfilled"
        assert bought(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]

    def test_that_fails_gives_nothing(self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]) -> None:
        session_id = open_credits(alice_client, 100)
        pay_later(session_id)
        settle_debit(session_id, "fail")
        run_jobs()
        assert alice_client.get(f"/api/payment/checkout/{session_id}").json()["status"] == "failed"
        assert bought(alice) == []


class TestExpiry:
    def test_ends_the_purchase(self, alice_client: APIClient, run_jobs: Callable[[], int]) -> None:
        from billing import gateway

        session_id = open_credits(alice_client, 100)
        gateway.expire_checkout_session(session_id)
        run_jobs()
        assert Purchase.objects.get().state == "expired"


class TestMismatch:
    @pytest.mark.parametrize("change", [{"amount_subtotal": 1}, {"currency": "thb"}])
    def test_is_never_fulfilled_and_never_silent(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int], change: dict[str, Any]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        pay(session_id)
        store.save(store.get("checkout.session", session_id) | change)
        run_jobs()
        purchase = Purchase.objects.get()
        assert purchase.state == "needs_review"
        assert next(iter(change)) in purchase.review_reason
        assert bought(alice) == []
        assert alice_client.get(f"/api/payment/checkout/{session_id}").json()["status"] == "needs_review"

    def test_of_the_quote_in_our_own_row_counts_as_well(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        Purchase.objects.update(price_cents=1)
        pay(session_id)
        run_jobs()
        assert Purchase.objects.get().state == "needs_review"
        assert bought(alice) == []


class TestLostRow:
    def test_that_did_not_note_its_session_is_found_by_the_metadata(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        session_id = open_credits(alice_client, 100)
        Purchase.objects.update(session_id=None, session_url="")  # as if we had died right after Stripe's answer
        pay(session_id)
        run_jobs()
        purchase = Purchase.objects.get()
        assert (purchase.state, purchase.session_id) == ("fulfilled", session_id)
        assert bought(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]

    def test_of_another_product_on_the_same_account_is_left_alone(
        self, alice: Any, run_jobs: Callable[[], int]
    ) -> None:
        from billing import gateway

        session = gateway.create_checkout_session(
            values={
                "mode": "payment",
                "success_url": "https://other.example/",
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {"currency": "usd", "unit_amount": 900, "product_data": {"name": "A mug"}},
                    }
                ],
            },
            idempotency_key="mug",
        )
        pay(session["id"])
        run_jobs()
        assert services.settle_session(session_id=session["id"], now=clock.now()) is None
        assert bought(alice) == []
