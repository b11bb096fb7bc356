"""Webhooks as staff see them: where each stands, why one failed, and what replaying or ignoring it does."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, selectors, services
from billing.models import Webhook
from billing.sandbox import store
from billing.tests.conftest import open_credits, pay
from billing.tests.test_webhooks import an_event, post, purchase_grants
from smartspec import clock
from smartspec.testing import make_user
from smartspec.users import services as users_services
from smartspec.users.models import StaffAction, User

pytestmark = pytest.mark.django_db

LIST = "/admin/billing/webhook/"
WHY = {"reason": "paid_not_credited", "note": "Ticket 7"}
BOTH = [("purchase", 100), ("bonus", 5)]


def agent_with(*rights: str) -> User:
    user: User = make_user(f"{'-'.join(rights) or 'nobody'}@smartspec.test", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def agent(db: None) -> Client:
    return client_of(agent_with("view_webhook", "replay_webhook", "ignore_webhook"))


@pytest.fixture
def failed(alice_client: APIClient, run_jobs: Callable[[], int], settings: Any) -> Webhook:
    """Alice has paid for 100 credits; while her webhook was worked on, Stripe could not be reached."""
    pay(open_credits(alice_client))
    ProcrastinateJob.objects.all().delete()  # of all that Stripe sends, one event will do
    event = next(event for event in store.find("event") if event["type"] == "checkout.session.completed")
    post(json.dumps(event).encode())
    working, settings.STRIPE_HTTP_CLIENT = settings.STRIPE_HTTP_CLIENT, "billing.tests.outage.NoStripe"
    with pytest.raises(gateway.StripeUnavailable):
        run_jobs()
    settings.STRIPE_HTTP_CLIENT = working
    return Webhook.objects.get()


def give_up(webhook: Webhook) -> None:
    """The queue's last attempt has failed."""
    connection.cursor().execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", [webhook.job_id])


def listed(agent: Client, **query: str) -> list[str]:
    return [row.event_type for row in agent.get(LIST, query).context["cl"].result_list]


def state_of(webhook: Webhook) -> str:
    return str(selectors.with_state(Webhook.objects.all()).get(pk=webhook.pk).state)


class TestStates:
    def test_tell_what_nothing_follows_from(self) -> None:
        event = an_event(type="customer.created", data={"object": {"id": "cus_1", "object": "customer"}})
        post(json.dumps(event).encode())
        assert state_of(Webhook.objects.get()) == "received"

    def test_go_from_queued_to_processed(self, alice_client: APIClient, run_jobs: Callable[[], int]) -> None:
        pay(open_credits(alice_client))
        event = next(event for event in store.find("event") if event["type"] == "checkout.session.completed")
        ProcrastinateJob.objects.all().delete()
        post(json.dumps(event).encode())
        webhook = Webhook.objects.get()
        assert state_of(webhook) == "queued"
        run_jobs()
        assert state_of(webhook) == "processed"

    def test_go_from_failed_to_dead_when_the_queue_gives_up(self, failed: Webhook) -> None:
        assert state_of(failed) == "failed"
        give_up(failed)
        assert state_of(failed) == "dead"

    def test_are_dead_without_a_job(self, failed: Webhook) -> None:
        connection.cursor().execute("DELETE FROM procrastinate_jobs WHERE id = %s", [failed.job_id])
        assert state_of(failed) == "dead"

    def test_filter_the_list(self, agent: Client, failed: Webhook) -> None:
        states = {state: listed(agent, state=state) for state in selectors.WebhookState}
        assert [state for state, found in states.items() if found] == ["failed"]
        give_up(failed)
        assert listed(agent, state="dead") == ["checkout.session.completed"]
        assert not listed(agent, state="failed")

    def test_are_counted_where_they_need_a_person(self, failed: Webhook) -> None:
        assert selectors.count_webhooks_in_trouble() == {"failed": 1, "dead": 0}
        give_up(failed)
        assert selectors.count_webhooks_in_trouble() == {"failed": 0, "dead": 1}

    def test_of_refused_calls_are_a_number(self, agent: Client) -> None:
        post(b"{}", header="t=1,v1=00")
        assert "1 × bad_signature" in agent.get(LIST).content.decode()


class TestAFailedPurchase:
    def test_is_found_by_email_and_its_error_read(self, agent: Client, failed: Webhook) -> None:
        assert listed(agent, q="alice@smartspec.test") == ["checkout.session.completed"]
        assert not listed(agent, q="bob@smartspec.test")
        page = agent.get(f"{LIST}{failed.pk}/change/").content.decode()
        for text in ("StripeUnavailable", "Traceback", "alice@smartspec.test", "Replay", failed.object_id):
            assert text in page

    def test_is_put_right_by_replaying(
        self, agent: Client, alice: Any, failed: Webhook, run_jobs: Callable[[], int]
    ) -> None:
        answer = agent.post(f"{LIST}do/replay/?row={failed.pk}", WHY, follow=True)
        assert "worked on again" in answer.content.decode()
        run_jobs()
        assert purchase_grants(alice) == BOTH
        page = agent.get(f"{LIST}{failed.pk}/change/").content.decode()
        for text in ("processed", "+100 (purchase)", "+5 (bonus)"):
            assert text in page
        done = StaffAction.objects.get()
        assert (done.action, done.whom, done.reason, done.note) == ("replay_webhook", alice, *WHY.values())

    def test_gives_once_however_often_it_is_replayed(
        self, agent: Client, alice: Any, failed: Webhook, run_jobs: Callable[[], int]
    ) -> None:
        for _ in range(2):
            agent.post(f"{LIST}do/replay/?row={failed.pk}", WHY)
            agent.post(f"{LIST}do/replay/?row={failed.pk}", WHY)
            assert ProcrastinateJob.objects.filter(task_name="billing.tasks.apply_event").count() == 1
            run_jobs()
        assert purchase_grants(alice) == BOTH
        (change,) = Webhook.objects.get().changes
        assert [entry["credits"] for entry in change["entries"]] == ["100.000000", "5.000000"]

    def test_is_replayed_after_the_queue_gave_up(
        self, agent: Client, alice: Any, failed: Webhook, run_jobs: Callable[[], int]
    ) -> None:
        give_up(failed)
        agent.post(f"{LIST}do/replay/?row={failed.pk}", WHY)
        assert not ProcrastinateJob.objects.filter(status="failed").exists()
        run_jobs()
        assert purchase_grants(alice) == BOTH


class TestMany:
    def test_are_chosen_in_the_list_and_replayed_together(
        self, agent: Client, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        pay(open_credits(alice_client))
        run_jobs()
        keys = [str(key) for key in Webhook.objects.values_list("pk", flat=True)]
        question = agent.post(LIST, {"action": "replay", "_selected_action": keys}, follow=True)
        assert len(question.context["rows"]) == len(keys)
        agent.post(question.redirect_chain[-1][0], WHY)
        with_effect = Webhook.objects.exclude(job_id=None)
        assert {state_of(webhook) for webhook in with_effect} == {"queued"}
        run_jobs()
        assert {state_of(webhook) for webhook in with_effect} == {"processed"}


class TestIgnoring:
    def test_ends_the_attempts_until_it_is_replayed(
        self, agent: Client, alice: Any, failed: Webhook, run_jobs: Callable[[], int]
    ) -> None:
        agent.post(f"{LIST}do/ignore/?row={failed.pk}", WHY)
        assert state_of(failed) == "ignored"
        run_jobs()
        assert purchase_grants(alice) == []
        agent.post(f"{LIST}do/replay/?row={failed.pk}", WHY)
        run_jobs()
        assert purchase_grants(alice) == BOTH

    def test_of_what_has_happened_is_refused(self, agent: Client, failed: Webhook, run_jobs: Callable[[], int]) -> None:
        run_jobs()
        answer = agent.post(f"{LIST}do/ignore/?row={failed.pk}", WHY, follow=True)
        assert "has happened already" in answer.content.decode()
        assert state_of(failed) == "processed"


class TestRights:
    @pytest.mark.parametrize("name", ["replay", "ignore"])
    def test_are_asked_of_whoever_guesses_the_address(
        self, failed: Webhook, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        onlooker = client_of(agent_with("view_webhook"))
        for ask in (onlooker.get, onlooker.post):
            assert ask(f"{LIST}do/{name}/?row={failed.pk}", WHY).status_code == 403
        assert any("Refused a staff action" in str(record.msg) for record in caplog.records)
        assert f"do/{name}/" not in onlooker.get(f"{LIST}{failed.pk}/change/").content.decode()
        assert state_of(failed) == "failed"

    def test_are_asked_by_the_service_as_well(self, failed: Webhook) -> None:
        staff = users_services.Staff(agent_with("view_webhook"), None, *WHY.values())
        for service in (services.replay_webhook, services.ignore_webhook):
            with pytest.raises(users_services.NotPermitted):
                service(staff=staff, trigger_id=failed.pk, now=clock.now())

    @pytest.mark.parametrize("missing", [{"reason": ""}, {"note": " "}, {"reason": "because"}])
    def test_are_nothing_without_a_reason(self, agent: Client, failed: Webhook, missing: dict[str, str]) -> None:
        answer = agent.post(f"{LIST}do/replay/?row={failed.pk}", WHY | missing)
        assert (answer.status_code, bool(answer.context["form"].errors)) == (200, True)
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize("rows", ["", "row=x", "row=999999999", f"row={10**30}"])
    def test_do_nothing_to_nothing(self, agent: Client, rows: str) -> None:
        answer = agent.post(f"{LIST}do/replay/?{rows}", WHY)
        assert "Nothing was chosen" in answer.content.decode()

    def test_know_no_other_action(self, agent: Client) -> None:
        assert agent.get(f"{LIST}do/delete/").status_code == 404
