"""Ending a subscription with an Idempotency-Key."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from billing.models import PlanChange

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]


def cancel(client: APIClient, subscription_id: str, key: str = "k", **body: Any) -> Any:
    body = {"subscription_id": subscription_id, **body}
    return client.post("/api/payment/subscription/cancel", body, headers={"Idempotency-Key": key})


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("at_period_end", [True, False])
class TestWithTheSameKey:
    def test_is_answered_again(self, at_period_end: bool, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client)
        answers = [cancel(alice_client, subscription_id, at_period_end=at_period_end) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]

    def test_and_another_body_is_a_conflict(
        self, at_period_end: bool, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        cancel(alice_client, subscription_id, at_period_end=at_period_end)
        other = cancel(alice_client, subscription_id, at_period_end=not at_period_end)
        assert code(other) == (409, "idempotency_conflict")

    def test_is_answered_after_the_first_request_died_before_it_could(
        self, at_period_end: bool, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        first = cancel(alice_client, subscription_id, at_period_end=at_period_end)
        PlanChange.objects.update(answer=None)
        again = cancel(alice_client, subscription_id, at_period_end=at_period_end)
        assert (again.status_code, again.json()) == (200, first.json())


class TestAnotherKey:
    def test_after_the_end_is_refused(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        subscription_id = subscribe(alice_client)
        cancel(alice_client, subscription_id, at_period_end=False)
        assert code(cancel(alice_client, subscription_id, key="other", at_period_end=False)) == (
            409,
            "subscription_ended",
        )

    def test_of_a_change_of_plan_is_not_this_one(self, alice_client: APIClient, subscribe: Subscribe) -> None:
        """A key is of one account and one operation."""
        body = {"subscription_id": subscribe(alice_client), "new_plan": "enterprise"}
        change = alice_client.post("/api/payment/subscription/change-plan", body, headers={"Idempotency-Key": "k"})
        assert change.status_code == 200
        assert cancel(alice_client, body["subscription_id"]).status_code == 200

    def test_of_somebody_else_is_not_this_one(
        self, alice_client: APIClient, bob_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        cancel(alice_client, subscription_id)
        assert code(cancel(bob_client, subscription_id)) == (404, "not_found")


class TestAFailure:
    def test_is_tried_again_with_its_key(self, alice_client: APIClient, subscribe: Subscribe, settings: Any) -> None:
        subscription_id = subscribe(alice_client)
        working = settings.STRIPE_HTTP_CLIENT

        def lose_stripe(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            if sql.startswith("INSERT") and PlanChange._meta.db_table in sql:
                settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
            return execute(sql, *rest)

        with connection.execute_wrapper(lose_stripe):
            refused = cancel(alice_client, subscription_id, at_period_end=False)
        assert code(refused) == (502, "stripe_unavailable")
        settings.STRIPE_HTTP_CLIENT = working
        assert cancel(alice_client, subscription_id, at_period_end=False).status_code == 200


class TestOvertaken:
    def test_by_one_with_the_same_key_is_answered_as_that_one(
        self, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        """The other one ends the subscription after this one saw that the key is new."""
        subscription_id = subscribe(alice_client)
        answers: list[Any] = []

        def overtake(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            found = execute(sql, *rest)
            if not answers and PlanChange._meta.db_table in sql:
                answers.append(None)  # once
                answers[0] = cancel(alice_client, subscription_id, at_period_end=False)
            return found

        with connection.execute_wrapper(overtake):
            overtaken = cancel(alice_client, subscription_id, at_period_end=False)
        assert (overtaken.status_code, overtaken.json()) == (200, answers[0].json())
        assert overtaken.headers["Idempotent-Replayed"] == "true"
        assert PlanChange.objects.count() == 1
