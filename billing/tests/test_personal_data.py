"""A person's data: the whole of it as one document, and its erasure, after which no table knows them."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection, connections
from djstripe.models import Account as StripeAccount
from djstripe.models import Invoice, PaymentMethod, WebhookEventTrigger
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway
from billing.models import Purchase, Subscription
from billing.sandbox import store
from billing.sandbox.services import acting, checkout
from billing.tests.conftest import GOOD_CARD, open_credits, open_plan
from billing.tests.conftest import pay as pay_as_alice
from billing.tests.test_backoffice.desk import WHY, page_of, staff_client, text_of
from billing.tests.test_webhooks import post
from credits import services as credits_services
from credits.models import Account, Entry
from media import services as media_services
from media.tests.conftest import PNG, put
from smartspec import clock, mail
from smartspec.models import JobFailure
from smartspec.testing import PASSWORD, make_client, make_user
from smartspec.users import services, tasks
from smartspec.users.models import Erasure, StaffAction, User

EMAIL, NAME = "zephyrine.quillfeather@smartspec.test", "Zephyrine Quillfeather"
POSTAL_CODE, ADDRESS, BROWSER = "ZQ74XY", "203.0.113.77", "Quillbrowser/1.0"
TRACES = (EMAIL, NAME, POSTAL_CODE, ADDRESS, BROWSER)
# Where the erased person's id, which says nothing of her, stays: the books, and that she was erased. A new table that
# names people is not among them: either its app's eraser takes the rows away, or it is named here, with its reason.
BOOKS = {
    "users_user": "the anonymous row that the books hang on",
    "users_erasure": "that it was done, and when",
    "users_ratecount": "how often she called, by her id, until the window of a minute ends",
    "django_admin_log": "what staff did, and to which row",
    "credits_account": "the ledger",
    "credits_entry": "the ledger",
    "credits_entrytotal": "the ledger",
    "credits_grant": "the ledger",
    "credits_hold": "the ledger",
    "credits_holdlot": "the ledger",
    "credits_keyrecord": "the ledger: each key gives its first answer again",
    "credits_usageday": "the ledger",
    "billing_customer": "whose payments Stripe's are",
    "billing_purchase": "what was sold",
    "billing_subscription": "what was sold",
    "billing_subscriptioncheckout": "what was offered",
    "billing_refund": "money that went back",
    "billing_dispute": "money that went back",
    "billing_webhook": "which event was worked on",
    "djstripe_webhookeventtrigger": "events without her person, for as long as SMARTSPEC_WEBHOOKS_KEPT_DAYS",
    "media_asset": "which storage was charged, without a name",
    "media_assetcount": "which storage was charged",
    "media_storageaccount": "which storage was charged",
}
# Which part of the export holds what a table has of her, or why the export leaves it out. A new table that names people
# is in neither: its app exports it, or it is named here.
EXPORTED = {
    "users_user": "person",
    "account_emailaddress": "email_addresses",
    "usersessions_usersession": "devices",
    "users_apikey": "api_keys",
    "users_sentmail": "mails",
    "credits_account": "account",
    "credits_entry": "transactions",
    "credits_grant": "lots",
    "credits_hold": "holds",
    "credits_usageday": "usage",
    "billing_purchase": "purchases",
    "billing_subscription": "subscriptions",
    "billing_refund": "refunds",
    "billing_dispute": "disputes",
    "billing_customer": "stripe_customer",
    "billing_webhook": "webhooks",
    "media_asset": "files",
}
LEFT_OUT = {
    "users_ratecount": "how often she called in the last minutes",
    "cache": "the same of log-ins",
    "django_session": "secrets: whoever has one is her",
    "django_admin_log": "work of staff on a row that is exported",
    "credits_entrytotal": "sums of what is exported",
    "credits_holdlot": "which grant paid for which hold, both exported",
    "credits_keyrecord": "answers to workers, about holds that are exported",
    "billing_subscriptioncheckout": "offers that led to a subscription, or to nothing",
    "billing_paidinvoice": "invoices, exported as Stripe's copy",
    "djstripe_webhookeventtrigger": "messages about what is exported as Stripe's copy",
    "media_assetcount": "sums of what is exported",
    "media_storageaccount": "sums of what is exported",
    "procrastinate_jobs": "work under way",
}
# What Stripe itself knows: on a real server these tables are not ours.
OUTSIDE = ("billing_sandbox_",)


@pytest.fixture
def zephyrine(db: None) -> User:
    user: User = make_user(EMAIL, name=NAME)
    return user


@pytest.fixture
def her_client(zephyrine: User) -> APIClient:
    return make_client(zephyrine)


def pay(session_id: str) -> None:
    card = checkout.CardFields(
        number=GOOD_CARD, expiry="12 / 34", cvc="123", name=NAME, email=EMAIL, postal_code=POSTAL_CODE
    )
    checkout.pay_with_card(session_id=session_id, card=card, now=clock.now())


@pytest.fixture
def her_life(zephyrine: User, her_client: APIClient, run_jobs: Callable[..., int]) -> User:
    """She has bought, subscribed, spent, been refunded and disputed, and made a key; everything is mirrored."""
    client = APIClient(REMOTE_ADDR=ADDRESS, HTTP_USER_AGENT=BROWSER)
    client.post("/api/auth/app/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
    client.post("/api/auth/app/v1/auth/login", {"email": EMAIL, "password": "wrong"})
    APIClient().post("/api/auth/app/v1/auth/password/request", {"email": EMAIL})  # from no device of hers
    for session_id in (open_credits(her_client, 100), open_credits(her_client, 137), open_plan(her_client)):
        pay(session_id)
        run_jobs(mirror=True)
    hold = credits_services.place_hold(
        account_id=zephyrine.pk,
        operation="image_generation",
        reference_id="job_1",
        idempotency_key="job_1",
        now=clock.now(),
    )
    credits_services.capture_hold(hold_id=hold.id, now=clock.now())
    upload = media_services.create_upload(
        user_id=zephyrine.pk,
        filename=f"{NAME} at home.png",
        content_type="image/png",
        size_bytes=len(PNG),
        kind="image",
        reference_id=f"for {EMAIL}",
        now=clock.now(),
    )
    put(upload.url, PNG, upload.headers)
    media_services.complete_upload(asset_id=str(upload.asset.pk), now=clock.now())
    her_client.post("/api/keys", {"name": f"The laptop of {NAME}", "scopes": ["read"]})
    open_credits(her_client, 250, success_url=f"smartspec://paid?for={EMAIL}")
    bought = Purchase.objects.filter(state="fulfilled").order_by("created_at")
    acting.refund(bought[0].payment_intent_id, amount_cents=100, now=clock.now())
    acting.dispute(bought[1].payment_intent_id, step="open", now=clock.now())
    run_jobs(mirror=True)
    context = {"amount_cents": 2900, "currency": "usd", "plan": "Pro", "link": "", "access_ends_at": None}
    mail.send_mail_once(user=zephyrine, template="renewal_failed", cause="in_1", context=context)
    LogEntry.objects.create(
        user=make_user("root@smartspec.test", is_staff=True),
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(zephyrine.pk),
        object_repr=str(zephyrine),
        action_flag=CHANGE,
    )
    return zephyrine


def rows_that_name(*words: str) -> list[str]:
    """Walk every table, and return the rows that name one of the words."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if not table.startswith(OUTSIDE):
                cursor.execute(f'SELECT t::text FROM "{table}" t')
                rows = [row for (row,) in cursor.fetchall()]
                if table == "cache":  # an address is counted there for as long as its limit of log-ins lasts: minutes
                    rows = [row for row in rows if ADDRESS not in row]
                found += [f"{table}: {row}" for row in rows if any(word.lower() in row.lower() for word in words)]
    return found


class TestExport:
    def test_holds_everything(self, her_client: APIClient, her_life: User) -> None:
        answer = her_client.get("/api/me/export")
        assert answer.status_code == 200
        assert "attachment" in answer["Content-Disposition"]
        data = json.loads(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
        assert (data["person"]["email"], data["person"]["name"]) == (EMAIL, NAME)
        assert {len(data["purchases"]), len(data["subscriptions"])} == {3, 1}
        assert (len(data["refunds"]), len(data["disputes"]), len(data["invoices"])) == (1, 1, 1)
        assert len(data["transactions"]) == Entry.objects.filter(account_id=her_life.pk).count()
        assert [hold["reference_id"] for hold in data["holds"]] == ["job_1"]
        assert data["api_keys"][0]["name"] == f"The laptop of {NAME}"
        assert any(copy["object"] == "payment_method" for copy in data["copied_from_stripe"])

    def test_has_a_part_for_every_table_that_names_her(self, her_client: APIClient, her_life: User) -> None:
        data = json.loads(b"".join(her_client.get("/api/me/export").streaming_content))  # type: ignore[attr-defined]
        named = {row.split(":")[0] for row in rows_that_name(str(her_life.pk))}
        copied = {table for table in named if table.startswith("djstripe_") and table not in LEFT_OUT}
        assert data["copied_from_stripe"] if copied else True
        assert named - copied - set(EXPORTED) - set(LEFT_OUT) == set()
        for table in named & set(EXPORTED):
            assert data[EXPORTED[table]], table

    def test_tells_no_secret(self, her_client: APIClient, her_life: User) -> None:
        text = b"".join(her_client.get("/api/me/export").streaming_content).decode()  # type: ignore[attr-defined]
        for secret in ("_secret_", "digest", "session_key", "pbkdf2", "password"):
            assert secret not in text

    def test_is_of_nobody_else(self, alice_client: APIClient, her_life: User) -> None:
        text = b"".join(alice_client.get("/api/me/export").streaming_content).decode()  # type: ignore[attr-defined]
        assert EMAIL not in text
        assert str(her_life.pk) not in text

    def test_takes_a_session(self, anonymous_client: APIClient, worker_client: APIClient) -> None:
        assert anonymous_client.get("/api/me/export").status_code == 401
        assert worker_client.get("/api/me/export").status_code == 403
        assert worker_client.delete("/api/me").status_code == 403


def sessions_that_name(*traces: str) -> list[str]:
    """Return what is in the sessions that name her; the table itself keeps it in a form that cannot be searched."""
    contents = [json.dumps(session.get_decoded()) for session in Session.objects.all()]
    return [content for content in contents if any(trace in content for trace in traces)]


class TestErasure:
    def test_leaves_no_row_that_names_her(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        customer_id = her_life.billing_customer.pk
        assert sessions_that_name(EMAIL) != []
        assert len({row.split(":")[0] for row in rows_that_name(*TRACES)}) > 10
        assert her_client.delete("/api/me").status_code == 204
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []
        assert sessions_that_name(EMAIL, str(her_life.pk)) == []
        assert {row.split(":")[0] for row in rows_that_name(customer_id) if row.startswith("djstripe")} <= {
            "djstripe_webhookeventtrigger"
        }
        assert Erasure.objects.get().finished_at is not None

    def test_leaves_her_id_in_the_books_alone(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        named = {row.split(":")[0] for row in rows_that_name(str(her_life.pk))}
        assert named <= set(BOOKS), " ".join(sorted(named - set(BOOKS)))

    def test_leaves_no_file_in_the_bucket(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int], settings: Any
    ) -> None:
        def files() -> list[Path]:
            return [path for path in settings.R2_SANDBOX_DIR.rglob("*") if path.is_file() and PNG in path.read_bytes()]

        assert len(files()) == 1
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        assert files() == []

    def test_keeps_the_books(self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]) -> None:
        before = Entry.objects.filter(account_id=her_life.pk).count()
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        assert Entry.objects.filter(account_id=her_life.pk).count() >= before
        assert Purchase.objects.filter(user=her_life, state="fulfilled").count() == 2
        assert her_life.pk == Account.objects.get(user__email__endswith="@erased.invalid").pk

    def test_ends_her_subscription_and_open_checkouts(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        assert Subscription.objects.get().status == "canceled"
        assert {session["status"] for session in store.find("checkout.session")} == {"complete", "expired"}
        assert not Purchase.objects.filter(state="open").exists()

    def test_ends_sessions_and_keys_at_once(self, her_client: APIClient, her_life: User) -> None:
        key = her_client.post("/api/keys", {"name": "another", "scopes": ["read"]}).json()["key"]
        her_client.delete("/api/me")
        assert her_client.get("/api/me").status_code == 401
        assert APIClient(HTTP_AUTHORIZATION=f"Api-Key {key}").get("/api/me").status_code == 401
        login = APIClient().post("/api/auth/app/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
        assert login.status_code in (400, 401)

    def test_lets_no_worker_spend_for_her(
        self, her_client: APIClient, her_life: User, worker_client: APIClient, run_jobs: Callable[..., int]
    ) -> None:
        her_client.delete("/api/me")
        run_jobs()
        body = {"user_id": str(her_life.pk), "operation": "image_generation", "reference_id": "job_2"}
        answer = worker_client.post("/api/credits/holds", body, headers={"Idempotency-Key": "job_2"})
        assert answer.json()["code"] == "account_frozen"

    def test_gives_her_address_no_second_free_allowance(
        self, zephyrine: User, her_client: APIClient, run_jobs: Callable[..., int]
    ) -> None:
        assert credits_services.give_allowances(account_id=zephyrine.pk, now=clock.now())
        her_client.delete("/api/me")
        run_jobs()
        again = make_user(EMAIL, name=NAME)
        assert credits_services.give_allowances(account_id=again.pk, now=clock.now()) == []

    def test_is_gone_through_again_without_harm(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        her_client.delete("/api/me")
        run_jobs(mirror=True)
        finished_at = Erasure.objects.get().finished_at
        tasks.erase(str(her_life.pk))
        run_jobs(mirror=True)
        assert Erasure.objects.get().finished_at == finished_at
        assert rows_that_name(*TRACES) == []


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
        data = json.loads(b"".join(her_client.get("/api/me/export").streaming_content))  # type: ignore[attr-defined]
        assert StripeAccount.objects.count() == 1
        assert "account" not in {copy["object"] for copy in data["copied_from_stripe"]}


class TestAFailureHalfWay:
    def test_is_made_good_by_the_job(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int], settings: Any
    ) -> None:
        working, settings.STRIPE_HTTP_CLIENT = settings.STRIPE_HTTP_CLIENT, "billing.tests.outage.NoStripe"
        assert her_client.delete("/api/me").status_code == 204
        with pytest.raises(gateway.StripeUnavailable):
            run_jobs()
        assert (Erasure.objects.get().finished_at, User.objects.get(pk=her_life.pk).is_active) == (None, False)
        settings.STRIPE_HTTP_CLIENT = working
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []

    def test_is_found_even_when_its_job_was_lost(
        self, her_client: APIClient, her_life: User, run_jobs: Callable[..., int]
    ) -> None:
        her_client.delete("/api/me")
        ProcrastinateJob.objects.all()._raw_delete("default")
        tasks.look_after_erasures(0)
        run_jobs(mirror=True)
        assert rows_that_name(*TRACES) == []


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


def card_taken_off() -> dict[str, Any]:
    """Return what Stripe tells when a card is taken off its customer."""
    event = next(event for event in store.find("event") if event["type"] == "payment_method.attached")
    customer_id, event["data"]["object"]["customer"] = event["data"]["object"]["customer"], None
    event["data"]["previous_attributes"] = {"customer": customer_id}
    return dict(event | {"type": "payment_method.detached"})


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


class TestByStaff:
    def test_is_written_down(self, zephyrine: User, run_jobs: Callable[..., int]) -> None:
        agent = make_user("agent@smartspec.test", is_staff=True)
        agent.user_permissions.set(Permission.objects.filter(codename="erase_user"))
        staff = services.Staff(agent, None, "legal", "Her letter of the 3rd")
        services.erase_by_staff(staff=staff, user=zephyrine, now=clock.now())
        run_jobs()
        assert rows_that_name(*TRACES) == []
        assert StaffAction.objects.get().whom_id == zephyrine.pk

    def test_takes_the_right(self, zephyrine: User) -> None:
        agent = make_user("agent@smartspec.test", is_staff=True)
        with pytest.raises(services.NotPermitted):
            services.erase_by_staff(
                staff=services.Staff(agent, None, "legal", "Her letter"), user=zephyrine, now=clock.now()
            )
        assert not Erasure.objects.exists()

    def test_is_handed_out_as_they_could_take_it_themselves(self, her_client: APIClient, her_life: User) -> None:
        own = json.loads(b"".join(her_client.get("/api/me/export").streaming_content))  # type: ignore[attr-defined]
        administrator = staff_client("Admin")
        page = page_of(her_life, "hand-out-data")
        assert "one JSON file" in text_of(administrator.post(page, {**WHY, "preview": "1"}))
        answer: Any = administrator.post(page, {**WHY, "confirm": "1"})
        assert "attachment" in answer["Content-Disposition"]
        handed = json.loads(b"".join(answer.streaming_content))
        assert handed.keys() == own.keys()
        for part in own.keys() - {"exported_at", "actions_of_staff"}:
            assert handed[part] == own[part], part
        done = StaffAction.objects.get(action="hand_out_data")
        assert (done.whom_id, done.actor.email, done.note) == (her_life.pk, "admin@staff.test", WHY["note"])

    def test_is_not_done_to_staff(self, db: None) -> None:
        agent = make_user("agent@smartspec.test", is_staff=True)
        answer = make_client(agent).delete("/api/me")
        assert (answer.status_code, answer.json()["code"]) == (409, "staff_not_erased")
        assert EmailAddress.objects.filter(user=agent).exists()


@pytest.mark.django_db(transaction=True)
class TestTwoDeletesAtOnce:
    def test_are_one(self, alice: User) -> None:
        clients = [make_client(alice) for _ in range(4)]

        def delete(client: APIClient) -> int:
            try:
                return client.delete("/api/me").status_code
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(delete, clients))
        assert set(answers) <= {204, 401}
        assert 204 in answers
        assert ProcrastinateJob.objects.filter(task_name="smartspec.users.tasks.erase").count() == 1
