"""Intake of webhooks: who is believed, what is kept, and what a delivery that comes twice, late or in disorder does."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from djstripe.models import Event, WebhookEventTrigger
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job
from rest_framework.test import APIClient

from billing import tasks
from billing.models import Purchase, WebhookRefusal
from billing.sandbox import store
from billing.sandbox.services.deliveries import sign
from billing.tests.conftest import open_credits, pay
from credits.models import Grant
from smartspec import clock
from smartspec.tasks import rescue_stalled_jobs
from smartspec.tests import openapi

pytestmark = pytest.mark.django_db

URL = "/api/webhooks/stripe"
SECRET = "whsec_sandbox"


def an_event(**changes: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-08-26.dahlia",
        "created": 1_773_144_000,
        "data": {"object": {"id": "cs_test_1", "object": "checkout.session", "customer": "cus_1"}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "checkout.session.completed",
        **changes,
    }


def post(body: bytes, *, secret: str = SECRET, age_seconds: int = 0, header: str | None = None) -> Any:
    """Deliver a body as Stripe would, or almost as Stripe would."""
    timestamp = int(clock.now().timestamp()) - age_seconds
    signature = sign(body, secret=secret, timestamp=timestamp) if header is None else header
    return Client().post(URL, body, content_type="application/json", headers={"Stripe-Signature": signature})


def nothing_is_kept() -> bool:
    jobs = ProcrastinateJob.objects.filter(task_name__startswith="billing.tasks.")
    return not WebhookEventTrigger.objects.exists() and not jobs.exists()


def purchase_grants(user: Any) -> list[tuple[str, Decimal]]:
    grants = Grant.objects.filter(account_id=user.pk, source__startswith="purchase:").order_by("number")
    return [(grant.kind, grant.credits) for grant in grants]


class TestDocument:
    def test_tells_of_the_webhook_and_its_answers(self) -> None:
        document = openapi.read_document()
        assert document["paths"][URL]["post"]["security"] == [{"stripe": []}]
        assert document["components"]["securitySchemes"]["stripe"]["name"] == "Stripe-Signature"
        answer = post(json.dumps(an_event()).encode())
        assert openapi.check(document, URL, "post", answer, 200) == {"received": True}
        refused = post(json.dumps(an_event()).encode(), header="")
        assert openapi.check(document, URL, "post", refused, 400)["code"] == "signature_invalid"


class TestRefusal:
    @pytest.mark.parametrize(
        ("cause", "delivery"),
        [
            ("no_signature", {"header": ""}),
            ("bad_signature", {"header": "t=1,v1=00"}),
            ("bad_signature", {"header": "nonsense"}),
            ("bad_signature", {"header": "t=abc,v1=00"}),
            ("bad_signature", {"header": "v1=00"}),
            ("bad_signature", {"header": "t=1,v1=\xff"}),
            ("bad_signature", {"secret": "whsec_of_somebody_else"}),
            ("stale", {"age_seconds": 301}),
            ("stale", {"age_seconds": 86_400}),
        ],
    )
    def test_of_a_call_that_is_not_stripes_keeps_a_count_alone(self, cause: str, delivery: dict[str, Any]) -> None:
        answer = post(json.dumps(an_event()).encode(), **delivery)
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "signature_invalid"
        assert nothing_is_kept()
        assert list(WebhookRefusal.objects.values_list("cause", "count")) == [(cause, 1)]

    def test_of_a_tampered_body(self) -> None:
        body = json.dumps(an_event()).encode()
        header = sign(body, secret=SECRET, timestamp=int(clock.now().timestamp()))
        assert post(body.replace(b"cs_test_1", b"cs_test_2"), header=header).status_code == 400
        assert nothing_is_kept()

    @pytest.mark.parametrize(
        ("cause", "body"),
        [
            ("malformed", b""),
            ("malformed", b"{"),
            ("malformed", b"[]"),
            ("malformed", b"17"),
            ("malformed", b"null"),
            ("malformed", b'{"object": "event"}'),
            ("malformed", json.dumps(an_event(id=17)).encode()),
            ("malformed", json.dumps(an_event(data={"object": []})).encode()),
            ("malformed", json.dumps(an_event(object="charge")).encode()),
            ("bad_signature", b"\xff\xfe"),
            ("wrong_mode", json.dumps(an_event(livemode=True)).encode()),
            ("wrong_mode", json.dumps(an_event(livemode=None)).encode()),
            ("wrong_account", json.dumps(an_event(account="acct_other")).encode()),
        ],
    )
    def test_of_what_is_signed_and_yet_not_for_us(self, cause: str, body: bytes) -> None:
        timestamp = int(clock.now().timestamp())
        answer = post(body, header=sign(body, secret=SECRET, timestamp=timestamp))
        assert answer.status_code == 400
        assert nothing_is_kept()
        assert list(WebhookRefusal.objects.values_list("cause", "count")) == [(cause, 1)]

    def test_is_counted_per_minute_and_cause(self) -> None:
        for _ in range(3):
            post(b"{}", header="t=1,v1=00")
        post(b"{}", header="")
        counts = dict(WebhookRefusal.objects.values_list("cause", "count"))
        assert sum(counts.values()) == 4
        assert counts["no_signature"] == 1

    @pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
    def test_of_another_method(self, method: str) -> None:
        answer = getattr(Client(), method)(URL)
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
        assert answer.json()["code"] == "method_not_allowed"


class TestIntake:
    def test_stores_the_event_and_its_two_jobs(self) -> None:
        answer = post(json.dumps(an_event()).encode())
        assert (answer.status_code, answer.json()) == (200, {"received": True})
        jobs = ProcrastinateJob.objects.filter(task_name__startswith="billing.tasks.").order_by("id")
        assert [(job.task_name, job.lock) for job in jobs] == [
            ("billing.tasks.mirror_event", "mirror:cus_1"),
            ("billing.tasks.apply_event", "effect:cus_1"),
        ]
        trigger = WebhookEventTrigger.objects.get()
        assert (trigger.valid, trigger.processed) == (True, False)
        assert set(trigger.headers) <= {"Content-Type", "Stripe-Signature", "User-Agent"}

    def test_takes_an_event_that_nothing_hangs_on(self) -> None:
        event = an_event(type="customer.created", data={"object": {"id": "cus_1", "object": "customer"}})
        assert post(json.dumps(event).encode()).status_code == 200
        names = ProcrastinateJob.objects.filter(task_name__startswith="billing.").values_list("task_name", flat=True)
        assert list(names) == ["billing.tasks.mirror_event"]

    def test_takes_any_of_several_secrets_while_one_is_rolled(self, settings: Any) -> None:
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", SECRET]
        for secret in ("whsec_new", SECRET):
            assert post(json.dumps(an_event()).encode(), secret=secret).status_code == 200

    def test_takes_a_signature_of_nearly_five_minutes(self) -> None:
        assert post(json.dumps(an_event()).encode(), age_seconds=290).status_code == 200

    def test_writes_nothing_when_the_jobs_cannot_be_stored(self) -> None:
        refuse = "ALTER TABLE procrastinate_jobs ADD CHECK (task_name <> 'billing.tasks.apply_event')"
        connection.cursor().execute(refuse)
        client = Client(raise_request_exception=False)
        body = json.dumps(an_event()).encode()
        signature = sign(body, secret=SECRET, timestamp=int(clock.now().timestamp()))
        answer = client.post(URL, body, content_type="application/json", headers={"Stripe-Signature": signature})
        assert answer.status_code == 500  # so that Stripe sends it again
        assert nothing_is_kept()

    def test_says_in_the_log_what_came_for_whom(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int], caplog: pytest.LogCaptureFixture
    ) -> None:
        session_id = open_credits(alice_client)
        pay(session_id)
        with caplog.at_level("INFO"):
            run_jobs()
        lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        for message in ("Received Stripe webhook", "Checkout completed", "Credits fulfilled"):
            found = [line for line in lines if line["event"] == message]
            assert found, message
            assert any(line["user_id"] == str(alice.pk) for line in found)
            assert all(line["event_id"].startswith("evt_") for line in found)
        assert any(line.get("session_id") == session_id for line in lines if line["event"] == "Credits fulfilled")
        text = json.dumps([{key: str(value) for key, value in line.items()} for line in lines])
        assert "4242424242424242" not in text
        assert "whsec_" not in text
        assert "sk_test_" not in text


class TestDelivery:
    def test_twice_gives_once(self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]) -> None:
        pay(open_credits(alice_client))
        run_jobs()
        for event in store.find("event"):
            body = json.dumps(event).encode()
            assert post(body).status_code == 200
            assert post(body).status_code == 200
        run_jobs()
        assert purchase_grants(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]

    def test_in_the_opposite_order_ends_the_same(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        pay(open_credits(alice_client))
        ProcrastinateJob.objects.all().delete()  # Stripe's own deliveries are lost
        for event in reversed(list(store.find("event"))):
            post(json.dumps(event).encode())
        run_jobs()
        assert purchase_grants(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]
        assert Purchase.objects.get().state == "fulfilled"

    def test_of_any_one_event_of_a_payment_is_enough(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int]
    ) -> None:
        pay(open_credits(alice_client))
        ProcrastinateJob.objects.all().delete()
        event = next(event for event in store.find("event") if event["type"] == "payment_intent.succeeded")
        post(json.dumps(event).encode())
        run_jobs()
        assert purchase_grants(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]

    def test_waits_while_stripe_is_down(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int], settings: Any
    ) -> None:
        from billing import gateway

        session_id = open_credits(alice_client)
        pay(session_id)
        working = settings.STRIPE_HTTP_CLIENT
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        with pytest.raises(gateway.StripeUnavailable):
            tasks.apply_event("evt_1", "checkout.session.completed", session_id)
        assert purchase_grants(alice) == []
        settings.STRIPE_HTTP_CLIENT = working
        tasks.apply_event("evt_1", "checkout.session.completed", session_id)
        assert purchase_grants(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]


class TestMirror:
    def test_copies_what_was_paid_for_staff(self, alice_client: APIClient, run_jobs: Callable[..., int]) -> None:
        from djstripe.models import Customer, Invoice, PaymentIntent

        pay(open_credits(alice_client))
        run_jobs(mirror=True)
        assert not WebhookEventTrigger.objects.filter(processed=False).exists()
        assert PaymentIntent.objects.count() == Invoice.objects.count() == Customer.objects.count() == 1

    def test_goes_on_after_the_key_was_changed(
        self, alice_client: APIClient, run_jobs: Callable[..., int], settings: Any
    ) -> None:
        from djstripe.models import APIKey

        pay(open_credits(alice_client))
        run_jobs(mirror=True)
        old, new = settings.STRIPE_SECRET_KEY, "sk_test_" + "rolled" + "0" * 18
        assert APIKey.objects.filter(secret=old).exists()
        settings.STRIPE_SECRET_KEY = settings.STRIPE_TEST_SECRET_KEY = new
        pay(open_credits(alice_client))
        run_jobs(mirror=True)
        assert not APIKey.objects.filter(secret=old).exists()
        assert not WebhookEventTrigger.objects.filter(processed=False).exists()

    def test_that_fails_is_shown_and_blocks_no_credits(
        self, alice: Any, alice_client: APIClient, run_jobs: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def break_down(data: Any, api_key: str) -> None:
            raise RuntimeError("dj-stripe cannot read this")

        session_id = open_credits(alice_client)
        pay(session_id)
        event = next(event for event in store.find("event") if event["type"] == "checkout.session.completed")
        ProcrastinateJob.objects.all().delete()
        monkeypatch.setattr(Event, "process", break_down)
        post(json.dumps(event).encode())
        mirror, effect = ProcrastinateJob.objects.order_by("id")
        with pytest.raises(RuntimeError):
            tasks.mirror_event(**mirror.args)
        tasks.apply_event(**effect.args)
        trigger = WebhookEventTrigger.objects.get()
        assert "cannot read this" in trigger.exception
        assert purchase_grants(alice) == [("purchase", Decimal(100)), ("bonus", Decimal(5))]


class TestCost:
    def test_of_intake_is_a_few_statements_and_no_call_to_stripe(
        self, settings: Any, django_assert_max_num_queries: Any
    ) -> None:
        settings.STRIPE_HTTP_CLIENT = "billing.tests.outage.NoStripe"
        body = json.dumps(an_event()).encode()
        with django_assert_max_num_queries(8):
            assert post(body).status_code == 200

    def test_in_a_burst_is_borne_by_the_mirror_and_not_by_customers(self) -> None:
        for number in range(3):
            post(json.dumps(an_event(id=f"evt_{number}")).encode())
        assert waiting() == ["apply_event"] * 3 + ["mirror_event"] * 3

    def test_in_a_burst_keeps_nothing_waiting_that_is_done_every_minute(self) -> None:
        post(json.dumps(an_event()).encode())
        rescue_stalled_jobs.configure().defer(timestamp=0)
        assert waiting() == ["apply_event", "rescue_stalled_jobs", "mirror_event"]

    def test_of_a_copy_that_fails_is_borne_by_the_copies(self) -> None:
        post(json.dumps(an_event()).encode())
        mirror = Job(id=1, queue="mirror", lock=None, queueing_lock=None, task_name=tasks.mirror_event.name)
        again = tasks.mirror_event.get_retry_exception(RuntimeError(), mirror)
        assert again is not None
        assert again.retry_decision.priority is not None
        assert again.retry_decision.priority < ProcrastinateJob.objects.get(task_name=mirror.task_name).priority


def waiting() -> list[str]:
    """Return what waits in the queue, in the order in which a worker takes it."""
    names = ProcrastinateJob.objects.order_by("-priority", "id").values_list("task_name", flat=True)
    return [name.rsplit(".")[-1] for name in names]
