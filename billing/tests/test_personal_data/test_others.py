"""What an erasure takes of nobody else, and what Stripe tells of her afterwards."""

import json
from collections.abc import Callable

from djstripe.models import Account as StripeAccount
from djstripe.models import Invoice, PaymentMethod, WebhookEventTrigger
from rest_framework.test import APIClient

from billing.sandbox import store
from billing.tests.conftest import open_credits
from billing.tests.conftest import pay as pay_as_alice
from billing.tests.test_personal_data.person import EMAIL, NAME, TRACES, card_taken_off, export_of, rows_that_name
from billing.tests.test_webhooks import post
from smartspec import clock
from smartspec.models import JobFailure
from smartspec.testing import make_client, make_user
from smartspec.users import tasks
from smartspec.users.models import User


class TestOthers:
    def test_keep_what_names_an_address_that_ends_like_hers(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        """`quillfeather@…` stands in `zephyrine.quillfeather@…`; whoever has the short address takes nothing away."""
        short = EMAIL.split(".", 1)[1]
        failure = {"error": "…", "traceback": f"Mail to '{EMAIL}' failed", "attempts": 1}
        JobFailure.objects.create(job_id=1, failed_at=clock.now(), **failure)
        named = rows_that_name(EMAIL)
        assert len({row.split(":")[0] for row in named}) > 10
        make_client(make_user(short)).delete("/api/me")
        run_jobs(mirror=True)
        assert rows_that_name(EMAIL) == named

    def test_keep_their_copies_and_we_our_own_account(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int], alice_client: APIClient
    ) -> None:
        pay_as_alice(open_credits(alice_client, 100))
        run_jobs(mirror=True)
        StripeAccount.objects.update(stripe_data={"email": EMAIL})
        alices = rows_that_name("alice@smartspec.test")
        assert len(alices) > 10
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        assert rows_that_name("alice@smartspec.test") == alices
        assert StripeAccount.objects.count() == 1

    def test_are_not_shown_our_own_account(self, her_client: APIClient, her_life: User) -> None:
        data = export_of(her_client)
        assert StripeAccount.objects.count() == 1
        assert "account" not in {copy["object"] for copy in data["copied_from_stripe"]}


class TestWhatStripeTellsAfterwards:
    def test_is_kept_without_her(self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]) -> None:
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        for event in store.find("event"):
            assert post(json.dumps(event).encode()).status_code == 200
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []
        assert not Invoice.objects.exists()
        assert WebhookEventTrigger.objects.filter(processed=False).count() == 0

    def test_of_a_card_that_is_taken_off_is_kept_without_her(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        detached = card_taken_off()
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        post(json.dumps(detached).encode())
        assert rows_that_name(*TRACES) == []
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []

    def test_is_taken_out_where_it_names_her_aside(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        aside = card_taken_off()
        aside["data"]["object"]["metadata"] = {"was of": aside["data"].pop("previous_attributes")["customer"]}
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        post(json.dumps(aside).encode())
        run_jobs(mirror=True)
        assert rows_that_name(EMAIL)
        tasks.look_after_erasures(0)
        run_jobs(mirror=True)
        assert rows_that_name(EMAIL) == []


class TestCards:
    def test_that_are_taken_off_are_not_kept(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        card_id = her_client.get("/api/payment/payment-methods").json()["payment_methods"][0]["id"]
        assert PaymentMethod.objects.filter(id=card_id).exists()
        assert her_client.delete(f"/api/payment/payment-methods/{card_id}").status_code == 204
        run_jobs(mirror=True)
        assert not PaymentMethod.objects.filter(id=card_id).exists()

    def test_that_paid_once_under_another_address_go_with_her(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        PaymentMethod.objects.update(customer=None, stripe_data={"billing_details": {"name": NAME}})
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []
