"""Stripe on a bad day, over a real socket: slow, overloaded, broken, talking nonsense, silent.

Whatever it is, the user is told in our words and soon, nothing is left half done, asking again ends right, and what was
paid for is given once.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
import stripe
from rest_framework.test import APIClient

from billing import gateway, services, tasks
from billing.models import PlanChange, Purchase, Subscription
from billing.sandbox import store
from billing.sandbox.api import dispatch
from billing.tests.conftest import open_credits, pay
from credits.models import Grant
from smartspec import clock
from smartspec.tests import troubled
from smartspec.tests.troubled import TROUBLES, Troubled

pytestmark = pytest.mark.django_db

PATIENCE_SECONDS = 10  # on a machine that has other things to do


def ask_sandbox(
    method: str, path: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, Mapping[str, str], bytes]:
    answered = dispatch.answer(method=method, url=path, headers=headers, body=body.decode(), now=clock.now())
    return answered.status, answered.headers, answered.body.encode()


@pytest.fixture
def distant_stripe(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Troubled]:
    """Stripe behind a socket, by stripe-python's own transport, which tries again sooner."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.02)
    with troubled.before(ask_sandbox) as server:
        settings.STRIPE_HTTP_CLIENT = ""
        settings.STRIPE_API_BASE = server.url
        yield server


Ail = Callable[[str | None], None]


@pytest.fixture
def ail(distant_stripe: Troubled, settings: Any) -> Ail:
    """Return what lets Stripe have a trouble, or none. Silence is waited for less long than it would be."""

    def have(trouble: str | None) -> None:
        settings.STRIPE_TIMEOUT_SECONDS = 0.3 if trouble == "never" else 20
        distant_stripe.trouble = trouble

    return have


def buy(client: APIClient, key: str = "k") -> Any:
    began_at = time.monotonic()
    answer = client.post("/api/payment/checkout/credits", {"credits_amount": 100}, headers={"Idempotency-Key": key})
    assert time.monotonic() - began_at < PATIENCE_SECONDS
    return answer


def upgrade(client: APIClient, subscription_id: str, key: str = "k") -> Any:
    body = {"subscription_id": subscription_id, "new_plan": "enterprise"}
    return client.post("/api/payment/subscription/change-plan", body, headers={"Idempotency-Key": key})


def given(user: Any, kind: str) -> list[Decimal]:
    return [grant.credits for grant in Grant.objects.filter(account_id=user.pk, kind=kind).order_by("number")]


def assert_unavailable(answer: Any) -> None:
    assert (answer.status_code, answer.json()["code"]) == (502, "stripe_unavailable"), answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert "Traceback" not in answer.content.decode()


# The answer never comes; it says no; it was yes, and is lost. The others differ less, and are for `make test-faults`.
KINDS = ("never", "500", "lost")
EVERY = [trouble if trouble in KINDS else pytest.param(trouble, marks=pytest.mark.faults) for trouble in TROUBLES]


class TestAny:
    """What holds in every trouble."""

    @pytest.mark.parametrize("trouble", TROUBLES)
    def test_a_checkout_is_refused_in_our_words_and_opens_once_when_it_is_over(
        self, trouble: str, alice: Any, alice_client: APIClient, ail: Ail, run_jobs: Callable[[], int]
    ) -> None:
        assert buy(alice_client, "before").status_code == 200
        ail(trouble)
        assert_unavailable(buy(alice_client))
        ail(None)
        opened = buy(alice_client).json()
        assert buy(alice_client).json() == opened
        assert Purchase.objects.filter(session_id__isnull=False).count() == 2
        pay(opened["session_id"])
        run_jobs()
        assert given(alice, "purchase") == [100]

    @pytest.mark.parametrize("trouble", TROUBLES)
    def test_an_effect_waits_and_is_had_once(self, trouble: str, alice: Any, alice_client: APIClient, ail: Ail) -> None:
        session_id = open_credits(alice_client)
        pay(session_id)
        ail(trouble)
        with pytest.raises(gateway.StripeUnavailable):
            tasks.apply_event("evt_1", "checkout.session.completed", session_id)
        assert (given(alice, "purchase"), Purchase.objects.get().state) == ([], "open")
        ail(None)
        for _ in range(2):
            tasks.apply_event("evt_1", "checkout.session.completed", session_id)
        assert given(alice, "purchase") == [100]

    @pytest.mark.parametrize("trouble", EVERY)
    def test_a_comparison_of_books_says_that_it_could_not_be_made_and_repairs_later(
        self, trouble: str, alice: Any, alice_client: APIClient, ail: Ail
    ) -> None:
        pay(open_credits(alice_client))
        ail(trouble)
        with pytest.raises(gateway.StripeUnavailable):
            services.reconcile(now=clock.now(), is_repair=True)
        assert given(alice, "purchase") == []
        ail(None)
        services.reconcile(now=clock.now(), is_repair=True)
        assert services.reconcile(now=clock.now()).remaining == 0
        assert given(alice, "purchase") == [100]

    @pytest.mark.parametrize("trouble", EVERY)
    def test_an_upgrade_is_made_and_given_once(
        self,
        trouble: str,
        alice: Any,
        alice_client: APIClient,
        ail: Ail,
        subscribe: Callable[..., str],
        run_jobs: Callable[[], int],
    ) -> None:
        subscription_id = subscribe(alice_client)
        ail(trouble)
        assert_unavailable(upgrade(alice_client, subscription_id))
        ail(None)
        assert upgrade(alice_client, subscription_id).json()["status"] == "done"
        run_jobs()
        assert Subscription.objects.get().plan == "enterprise"
        assert PlanChange.objects.count() == 1
        assert len([one for one in store.find("invoice") if one["billing_reason"] == "subscription_update"]) == 1
        first, more = given(alice, "subscription")
        assert first == 500
        assert 4_490 <= more <= 4_500


class TestSlow:
    def test_answers_are_waited_for(self, alice_client: APIClient, ail: Ail) -> None:
        ail("slow")
        assert buy(alice_client).status_code == 200

    def test_stripe_leaves_threads_to_whoever_needs_no_stripe(
        self, settings: Any, ail: Ail, distant_stripe: Troubled
    ) -> None:
        ail("never")
        settings.STRIPE_TIMEOUT_SECONDS = 20
        troubled.assert_one_too_many_is_refused(
            distant_stripe,
            lambda: gateway.retrieve_customer("cus_1"),
            calls_at_once=settings.STRIPE_CALLS_AT_ONCE,
            refusal=gateway.StripeUnavailable,
        )
