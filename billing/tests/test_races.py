"""Several at once, in real transactions: each thing happens once."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import services
from billing.models import Customer, PaidInvoice, Purchase, Subscription, SubscriptionCheckout
from billing.sandbox import store
from billing.tests.conftest import open_credits, open_plan, pay
from credits import selectors as credits_selectors
from credits.models import Grant
from smartspec import clock, jobs
from smartspec.tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 6


def purchased(user: Any) -> list[Decimal]:
    grants = Grant.objects.filter(account_id=user.pk, source__startswith="purchase:").order_by("number")
    return [grant.credits for grant in grants]


def run_worker(*queues: str) -> None:
    """Run the real worker until nothing is due."""
    options = ["--queues", ",".join(queues)] if queues else []
    call_command("procrastinate", "worker", "--one-shot", "--concurrency", "4", *options)


def leave_two_killed() -> None:
    """Leave an effect and a periodic task as a worker does that was killed with them in its hands."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, queueing_lock, status) VALUES"
            " ('waits', 'credits.tasks.expire_due', 0, 'expiry', 'doing'),"
            " ('waits', 'credits.tasks.expire_due', 0, 'expiry', 'todo'),"  # the next minute's
            " ('waits', 'billing.tasks.apply_event', 10, NULL, 'doing')"
        )


class TestFulfilment:
    def test_by_many_at_once_gives_once(self, alice: Any, alice_client: APIClient) -> None:
        session_id = open_credits(alice_client, 100)
        pay(session_id)
        results = at_once(THREADS, lambda _: services.settle_session(session_id=session_id, now=clock.now()))
        assert [result.state for result in results] == ["fulfilled"] * THREADS
        assert purchased(alice) == [100, 5]

    def test_of_a_subscription_by_many_at_once_gives_once(self, alice: Any, alice_client: APIClient) -> None:
        session_id = open_plan(alice_client)
        pay(session_id)
        results = at_once(THREADS, lambda _: services.settle_session(session_id=session_id, now=clock.now()))
        assert [getattr(result, "state", result) for result in results] == ["fulfilled"] * THREADS
        assert Grant.objects.filter(account_id=alice.pk, source__startswith="allowance:sub_").count() == 1
        assert Subscription.objects.count() == PaidInvoice.objects.count() == 1


class TestCheckouts:
    def test_under_one_key_are_one_that_can_be_paid(self, alice: Any, alice_client: APIClient) -> None:
        """A request that is overtaken, after it saw that its key is new, ends not what the other one opened."""
        answers: list[Any] = []

        def ask() -> Any:
            headers = {"Idempotency-Key": "key"}
            return alice_client.post("/api/payment/checkout/subscription", {"plan": "pro"}, headers=headers)

        def overtake(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            found = execute(sql, *rest)
            if not answers and SubscriptionCheckout._meta.db_table in sql:
                answers.append(None)  # once
                answers[0] = ask()
            return found

        with connection.execute_wrapper(overtake):
            answers.append(ask())
        first, overtaken, again = *answers, ask()
        assert first.json() == overtaken.json() == again.json()
        assert store.get("checkout.session", first.json()["session_id"])["status"] == "open"
        assert SubscriptionCheckout.objects.get().state == "open"
        replayed = [answer.headers.get("Idempotent-Replayed") for answer in (first, overtaken, again)]
        assert replayed == [None, "true", "true"]

    @pytest.mark.parametrize(
        ("path", "body"),
        [("credits", {"credits_amount": 100}), ("subscription", {"plan": "pro"})],
        ids=["of credits", "of a plan"],
    )
    def test_of_many_at_once_under_one_key_are_marked_but_for_the_first(
        self, path: str, body: dict[str, Any], alice_client: APIClient
    ) -> None:
        headers = {"Idempotency-Key": "key"}
        answers = at_once(THREADS, lambda _: alice_client.post(f"/api/payment/checkout/{path}", body, headers=headers))
        assert len({answer.json()["session_id"] for answer in answers}) == 1
        replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
        assert sorted(map(str, replayed)) == ["None", *["true"] * (THREADS - 1)]

    def test_whose_key_is_let_go_between_two_looks_are_opened_all_the_same(
        self, alice: Any, alice_client: APIClient
    ) -> None:
        """The other one's row stands in the way; Stripe refuses that one just before it is looked up."""
        seen: list[str] = []

        def refuse_the_other(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            is_ours = SubscriptionCheckout._meta.db_table in sql
            if is_ours and sql.startswith("INSERT") and "INSERT" not in seen:
                seen.append("INSERT")
                opened = ask("key")
                assert opened.status_code == 200, opened.json()
            elif is_ours and sql.startswith("SELECT") and seen == ["INSERT"] and "idempotency_key" in sql:
                seen.append("SELECT")
                SubscriptionCheckout.objects.update(idempotency_key=None)
            return execute(sql, *rest)

        def ask(key: str) -> Any:
            headers = {"Idempotency-Key": key}
            return alice_client.post("/api/payment/checkout/subscription", {"plan": "pro"}, headers=headers)

        with connection.execute_wrapper(refuse_the_other):
            answer = ask("key")
        assert answer.status_code == 200, answer.json()
        assert SubscriptionCheckout.objects.get(idempotency_key="key").session_id == answer.json()["session_id"]


class TestTwoSubscriptions:
    def test_paid_and_settled_at_once_end_as_one_and_a_refund(self, alice: Any, alice_client: APIClient) -> None:
        first = open_plan(alice_client)
        SubscriptionCheckout.objects.update(state="processing")  # so that the second one's opening cannot expire it
        second = open_plan(alice_client, "enterprise")
        for session_id in (first, second):
            assert pay(session_id).status == "complete"
        sessions = iter([first, second] * 3)
        results = at_once(THREADS, lambda _: services.settle_session(session_id=next(sessions), now=clock.now()))
        assert not [result for result in results if isinstance(result, Exception)]
        kept, surplus = Subscription.objects.order_by("is_surplus")
        assert (kept.is_surplus, kept.status, surplus.is_surplus, surplus.status) == (False, "active", True, "canceled")
        (refund,) = store.find("refund")
        assert refund["amount"] == {"pro": 2900, "enterprise": 19_900}[surplus.plan]
        (grant,) = Grant.objects.filter(account_id=alice.pk, source__startswith="allowance:sub_")
        assert grant.source.startswith(f"allowance:{kept.pk}:")
        assert credits_selectors.get_plan_state(account_id=alice.pk, now=clock.now()).plan == kept.plan


class TestPlanChanges:
    def subscribe(self, client: APIClient, plan: str = "pro") -> str:
        session_id = open_plan(client, plan)
        pay(session_id)
        services.settle_session(session_id=session_id, now=clock.now())
        return str(client.get("/api/payment/subscription").json()["id"])

    def change(self, user: Any, subscription_id: str, new_plan: str, interval: str) -> str:
        answer = services.change_plan(
            user=user,
            subscription_id=subscription_id,
            new_plan=new_plan,
            new_interval=interval,
            preview=False,
            now=clock.now(),
        )
        return answer.status

    def test_two_alike_at_once_are_billed_and_give_once(self, alice: Any, alice_client: APIClient) -> None:
        subscription_id = self.subscribe(alice_client)
        results = at_once(2, lambda _: self.change(alice, subscription_id, "enterprise", "monthly"))
        assert "done" in results
        # The other one is told to wait, or that nothing is left to change.
        others = {getattr(one, "code", one) for one in results if one != "done"}
        assert others <= {"change_under_way", "no_change"}, results
        assert len(store.find("invoice", subscription=subscription_id, status="paid")) == 2
        assert Grant.objects.filter(account_id=alice.pk, source__startswith="upgrade:").count() == 1
        assert services.reconcile(now=clock.now()).remaining == 0

    def test_two_different_at_once_end_as_stripe_has_it(self, alice: Any, alice_client: APIClient) -> None:
        subscription_id = self.subscribe(alice_client)
        wanted = [("enterprise", "monthly"), ("pro", "yearly")]
        results = at_once(2, lambda _: self.change(alice, subscription_id, *wanted.pop()))
        assert "done" in results
        services.sync_subscription(subscription_id=subscription_id, now=clock.now())
        item = store.get("subscription", subscription_id)["items"]["data"][0]
        row = Subscription.objects.get()
        assert row.price_id == item["price"]["id"]
        assert store.find("invoice", subscription=subscription_id, status="open") == []
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0

    def test_two_downgrades_at_once_are_scheduled_once(self, alice: Any, alice_client: APIClient) -> None:
        subscription_id = self.subscribe(alice_client, "enterprise")
        results = at_once(THREADS, lambda _: self.change(alice, subscription_id, "pro", "monthly"))
        assert "scheduled" in results
        assert all(one == "scheduled" or getattr(one, "code", "") == "change_under_way" for one in results), results
        self.expect_scheduled(subscription_id, "pro")

    @pytest.mark.parametrize("verb", ["cancel", "resume"])
    def test_a_downgrade_beside_an_end_is_whole_or_refused(
        self, alice: Any, alice_client: APIClient, verb: str
    ) -> None:
        subscription_id = self.subscribe(alice_client, "enterprise")
        named = {"user": alice, "subscription_id": subscription_id, "now": clock.now()}
        operations = [
            lambda: self.change(alice, subscription_id, "pro", "monthly"),
            lambda: (
                services.cancel_subscription(at_period_end=True, **named)
                if verb == "cancel"
                else services.reactivate_subscription(**named)
            ),
        ] * 3
        results = at_once(THREADS, lambda _: operations.pop()())
        refused = [getattr(one, "code", repr(one)) for one in results if isinstance(one, Exception)]
        assert set(refused) <= {"change_under_way"}, results
        assert len(refused) < len(results)
        services.sync_subscription(subscription_id=subscription_id, now=clock.now())
        row, stored = Subscription.objects.get(), store.get("subscription", subscription_id)
        assert row.cancel_at_period_end == stored["cancel_at_period_end"]
        assert bool(row.pending_plan) == bool(stored["schedule"])
        assert not (row.cancel_at_period_end and row.pending_plan)

    def expect_scheduled(self, subscription_id: str, plan: str) -> None:
        """What Stripe will do and what we tell are the same: one schedule, to this plan."""
        services.sync_subscription(subscription_id=subscription_id, now=clock.now())
        row = Subscription.objects.get()
        assert row.pending_plan == plan
        at_work = [one for one in store.find("subscription_schedule") if one["status"] == "active"]
        assert [one["subscription"] for one in at_work] == [subscription_id]
        assert store.get("subscription", subscription_id)["schedule"] == at_work[0]["id"]


class TestCheckout:
    def test_with_one_key_at_once_is_one_session(self, alice: Any) -> None:
        def buy(_: int) -> str:
            return services.open_credits_checkout(
                user=alice, credits_amount=100, now=clock.now(), idempotency_key="k"
            ).session_id

        assert len(set(at_once(THREADS, buy))) == 1
        assert Purchase.objects.count() == Customer.objects.count() == 1
        assert len(list(store.find("checkout.session"))) == 1

    def test_without_a_key_is_a_session_each_for_one_customer(self, alice: Any) -> None:
        results = at_once(
            THREADS,
            lambda _: services.open_credits_checkout(user=alice, credits_amount=100, now=clock.now()).session_id,
        )
        assert len(set(results)) == THREADS
        assert Customer.objects.count() == 1


class TestWorker:
    def test_killed_between_payment_and_fulfilment_leaves_the_job_and_a_later_one_gives_once(
        self, alice: Any, alice_client: APIClient
    ) -> None:
        pay(open_credits(alice_client, 100))
        run_worker("sandbox")  # the webhooks have come in, and then the worker is killed
        assert ProcrastinateJob.objects.filter(task_name="billing.tasks.apply_event", status="todo").exists()
        assert purchased(alice) == []
        run_worker("webhooks")
        assert purchased(alice) == [100, 5]
        run_worker("webhooks")
        assert purchased(alice) == [100, 5]

    def test_killed_in_the_middle_of_a_job_leaves_it_to_the_next_worker(
        self, alice: Any, alice_client: APIClient
    ) -> None:
        from smartspec.tasks import rescue_stalled_jobs

        pay(open_credits(alice_client, 100))
        run_worker("sandbox")
        with connection.cursor() as cursor:  # as a worker leaves it that was killed with the job in its hands
            cursor.execute(
                "UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL WHERE id ="
                " (SELECT min(id) FROM procrastinate_jobs WHERE queue_name = 'webhooks')"
            )
        run_worker("webhooks")
        assert purchased(alice) == []
        rescue_stalled_jobs.configure(queueing_lock="of this test").defer(timestamp=0)
        run_worker("default")
        run_worker("webhooks")
        assert purchased(alice) == [100, 5]

    def test_killed_in_a_periodic_task_leaves_it_to_the_next_run_and_holds_up_no_other_job(self) -> None:
        from smartspec.tasks import rescue_stalled_jobs

        leave_two_killed()
        rescue_stalled_jobs.configure(queueing_lock="of this test").defer(timestamp=0)
        run_worker("default")
        left = ProcrastinateJob.objects.filter(queue_name="waits").order_by("id").values_list("task_name", "status")
        assert list(left) == [("credits.tasks.expire_due", "todo"), ("billing.tasks.apply_event", "todo")]
        assert not ProcrastinateJob.objects.filter(status="failed").exists()

    def test_killed_is_made_up_for_once_by_two_that_look_at_the_same_time(self) -> None:
        leave_two_killed()

        @async_to_sync
        async def two_look() -> None:
            assert isinstance(app.connector, DjangoConnector)
            with app.replace_connector(app.connector.get_worker_connector()):
                async with app.open_async():
                    seen = [list(await app.job_manager.get_stalled_jobs()) for _ in range(2)]
                    assert [len(stalled) for stalled in seen] == [2, 2]
                    for stalled in seen:
                        await jobs.start_again(app.job_manager, stalled)

        two_look()
        left = ProcrastinateJob.objects.order_by("id").values_list("task_name", "status", "attempts")
        assert list(left) == [("credits.tasks.expire_due", "todo", 0), ("billing.tasks.apply_event", "todo", 1)]

    def test_goes_on_with_a_customers_next_event_while_one_waits_for_its_retry(
        self, alice: Any, alice_client: APIClient
    ) -> None:
        from billing import tasks

        session_id = open_credits(alice_client, 100)
        pay(session_id)
        ProcrastinateJob.objects.all().delete()
        lock = "effect:cus_1"
        job = tasks.apply_event.configure(lock=lock)
        job.defer(event_id="evt_bad", event_type="checkout.session.completed", object_id="cs_unknown")
        job.defer(event_id="evt_good", event_type="checkout.session.completed", object_id=session_id)
        for _ in range(2):  # one-shot: a job that found its lock taken is for the next run
            run_worker("webhooks")
        assert purchased(alice) == [100, 5]
        waiting = ProcrastinateJob.objects.get(status="todo", queue_name="webhooks")
        assert (waiting.args["event_id"], waiting.attempts, waiting.priority) == ("evt_bad", 1, -1)

    def test_works_a_payment_off_from_end_to_end(self, alice: Any, alice_client: APIClient) -> None:
        pay(open_credits(alice_client, 100))
        pay(open_plan(alice_client))
        for _ in range(10):
            run_worker()
            if not ProcrastinateJob.objects.filter(status="todo", scheduled_at=None).exists():
                break
        assert purchased(alice) == [100, 5]
        assert Grant.objects.get(account_id=alice.pk, source__startswith="allowance:sub_").credits == 500
        assert not ProcrastinateJob.objects.filter(status="failed").exists()
