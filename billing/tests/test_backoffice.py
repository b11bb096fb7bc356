"""The back-office: home, finding anyone, a person's page and its actions, seen through the pages."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import CheckoutState, Customer, Dispute, Purchase, Refund, Subscription, SubscriptionCheckout
from billing.tests.conftest import open_credits, pay
from billing.tests.test_admin import client_of, list_url, live, page_url
from credits import selectors as credits_selectors
from credits import services as credits_services
from credits.models import Adjustment, Entry, Grant, Hold
from smartspec import backoffice, clock
from smartspec.testing import make_client, make_user
from smartspec.users import keys
from smartspec.users import services as users_services
from smartspec.users.models import ApiKey, StaffAction, User

ROLES = ("Support", "Billing", "Auditor", "Admin")
SUBSCRIPTION_STATUSES = (
    *("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired", "canceled"),
)
DISPUTE_STATUSES = (
    *("warning_needs_response", "warning_under_review", "warning_closed", "needs_response", "under_review", "won"),
    *("lost", "prevented"),
)
WHY = {"reason": "customer_asked", "note": "Ticket 7"}
# What an action's form needs besides the reason; and who may do it.
ACTIONS: dict[str, tuple[dict[str, str], set[str]]] = {
    "adjust-credits": ({"direction": "give", "credits": "7"}, {"Support", "Billing", "Admin"}),
    "freeze": ({}, {"Billing", "Admin"}),
    "thaw": ({"cause": "staff"}, {"Billing", "Admin"}),
    "release-hold": ({}, {"Support", "Billing", "Admin"}),
    "approve-adjustment": ({}, {"Billing", "Admin"}),
    "reject-adjustment": ({}, {"Billing", "Admin"}),
    "sync-from-stripe": ({}, {"Support", "Billing", "Admin"}),
    "cancel-subscription": ({"when": "period_end"}, {"Billing", "Admin"}),
    "reactivate-subscription": ({}, {"Billing", "Admin"}),
    "refund-purchase": ({"amount": ""}, {"Billing", "Admin"}),
    "resend-fulfilment": ({}, {"Support", "Billing", "Admin"}),
    "resend-verification": ({}, {"Support", "Billing", "Admin"}),
    "remove-second-factor": ({}, {"Admin"}),
    "erase": ({}, {"Admin"}),
    "end-sessions": ({}, {"Support", "Billing", "Admin"}),
    "end-session": ({}, {"Support", "Billing", "Admin"}),
    "view-as": ({}, {"Support", "Billing", "Admin"}),
    "revoke-key": ({}, {"Support", "Billing", "Admin"}),
}


def staff_client(role: str) -> Client:
    """Return the browser of a member of staff with a role."""
    user = make_user(f"{role.lower()}@staff.test", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return client_of(user)


@pytest.fixture
def support(db: None) -> Client:
    return staff_client("Support")


@pytest.fixture
def decider(db: None) -> Client:
    """Somebody of Billing."""
    return staff_client("Billing")


def page_of(user: User, action: str = "") -> str:
    return f"/admin/people/{user.pk}/" + (f"{action}/" if action else "")


def text_of(answer: Any) -> str:
    """Return what a reader sees of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def do(client: Client, user: User, action: str, target: str = "", **fields: str) -> Any:
    """Fill in an action's form, preview, confirm; return the answer to the preview and the page that follows."""
    content = {"key": str(uuid4()), "target": target, **WHY, **fields}
    preview = client.post(page_of(user, action), content | {"preview": "1"})
    return preview, client.post(page_of(user, action), content | {"confirm": "1"}, follow=True)


def make_key(user: User) -> ApiKey:
    new = keys.make_key(keys.USER_KIND)
    return ApiKey.objects.create(
        user=user, name="script", prefix=new.prefix, digest=new.digest, scopes=["read"], created_at=clock.now()
    )


class TestHome:
    @pytest.mark.parametrize("role", ROLES)
    def test_is_shown_with_nothing_in_it(self, role: str, db: None) -> None:
        assert "Everything that came in has been worked on." in text_of(staff_client(role).get("/admin/"))

    def test_tells_what_came_in_and_what_needs_a_person(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        credits_services.count_days(now=clock.now())
        page = text_of(support.get("/admin/"))
        for told in ("$33.50", "$38.00 paid, $4.50 sent back", "1 Pro", "$29.00"):
            assert told in page
        for task in ("Open disputes and inquiries", "Differences between", "Adjustments await approval"):
            assert task in page

    def test_links_every_task_to_a_page(self, decider: Client, alice: User) -> None:
        live(alice, clock.now())
        tasks = decider.get("/admin/").context["tasks"]
        assert len(tasks) >= 3
        for task in tasks:
            assert decider.get(task.url).status_code == 200

    def test_shows_staff_without_a_role_nothing(self, alice: User) -> None:
        live(alice, clock.now())
        page = text_of(client_of(make_user("new@smartspec.test", is_staff=True)).get("/admin/"))
        assert "$" not in page
        assert "Find anyone" not in page

    def test_adds_up_no_entries(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        with CaptureQueriesContext(connection) as queries:
            support.get("/admin/")
        ledger = ("credits_entry", "credits_hold", "credits_grant", "credits_usageday", "credits_account")
        assert not [query["sql"] for query in queries if any(f'"{table}"' in query["sql"] for table in ledger)]


class TestFinding:
    STRIPE = ("cus_1", "pi_1", "in_1", "cs_1", "sub_1", "re_1", "dp_1")

    @pytest.mark.parametrize("term", ["mail", "ALICE@SMART", "alic", "Wonderl", "id", "key", "whole key", *STRIPE])
    def test_leads_to_the_one_person_who_is_meant(
        self, support: Client, alice: User, bob: User, now: datetime, term: str
    ) -> None:
        live(alice, now)
        User.objects.filter(pk=alice.pk).update(name="Alice of Wonderland")
        new = keys.make_key(keys.USER_KIND)
        ApiKey.objects.create(
            user=alice, name="mine", prefix=new.prefix, digest=new.digest, scopes=["read"], created_at=now
        )
        words = {"mail": alice.email, "id": str(alice.pk), "key": new.prefix[:9], "whole key": new.text}
        answer = support.get("/admin/people/", {"q": f" {words.get(term, term)} "})
        assert answer.status_code == 302
        assert answer["Location"] == page_of(alice)

    def test_knows_charges_and_invoices_of_packages_from_stripe(
        self, support: Client, alice: User, alice_client: APIClient
    ) -> None:
        session_id = open_credits(alice_client)
        pay(session_id)
        purchase = services.settle_session(session_id=session_id, now=clock.now())
        assert isinstance(purchase, Purchase)
        charge_id = gateway.retrieve_payment_intent(purchase.payment_intent_id)["latest_charge"]
        invoice_id = gateway.retrieve_checkout_session(session_id)["invoice"]
        for term in (charge_id, invoice_id):
            assert support.get("/admin/people/", {"q": term})["Location"] == page_of(alice)

    def test_lists_several_people(self, support: Client, alice: User, bob: User) -> None:
        make_user("boris@smartspec.test")
        page = text_of(support.get("/admin/people/", {"q": "bo"}))
        assert "boris@smartspec.test" in page
        assert bob.email in page

    @pytest.mark.parametrize(
        "term",
        [
            "",
            "nobody@smartspec.test",
            "cus_9",
            "ch_9",
            "%",
            "\0",
            "' & |",
            "(",
            "00000000-0000-4000-8000-000000000000",
            "x" * 300,
        ],
    )
    def test_says_when_nobody_is_meant(self, support: Client, alice: User, term: str) -> None:
        assert support.get("/admin/people/", {"q": term}).status_code == 200

    def test_is_for_staff_with_a_role(self, alice: User) -> None:
        newcomer = client_of(make_user("new@smartspec.test", is_staff=True))
        for url in ("/admin/people/", page_of(alice), page_of(alice, "adjust-credits")):
            assert newcomer.get(url).status_code == 403
            assert client_of(alice).get(url, follow=True).status_code == 403
            assert Client().get(url)["Location"].startswith("/admin/login/")


class TestPerson:
    @pytest.mark.parametrize("role", ROLES)
    def test_is_shown_with_nothing_and_with_everything(self, role: str, alice: User) -> None:
        client = staff_client(role)
        assert client.get(page_of(alice)).status_code == 200
        live(alice, clock.now())
        make_key(alice)
        page = text_of(client.get(page_of(alice)))
        for told in ("Available 99", "Basic: 100 + 5 credits", "Purchase: Credits bought", "Refund of $4.50"):
            assert told in page
        for told in ("Dispute of $4.50", "Desktop", "script", "sub_1", "cus_1", "invoice.paid", "Adjust credits by"):
            assert told in page

    def test_of_nobody_is_unknown(self, support: Client) -> None:
        assert support.get(f"/admin/people/{uuid4()}/").status_code == 404

    def test_offers_only_what_the_role_allows(self, alice: User) -> None:
        live(alice, clock.now())
        assert "Refund …" not in text_of(staff_client("Support").get(page_of(alice)))
        assert "Refund …" in text_of(staff_client("Billing").get(page_of(alice)))
        auditor = staff_client("Auditor").get(page_of(alice))
        assert not auditor.context["actions"]
        assert " …" not in text_of(auditor)

    def test_tells_what_somebody_had_at_a_moment(self, support: Client, alice: User, now: datetime) -> None:
        for day, credits in ((0, 320), (2, 5)):
            credits_services.grant(
                account_id=alice.pk,
                kind="bonus",
                credits=Decimal(credits),
                source=str(day),
                now=now + timedelta(days=day),
            )
        for asked, told in (("2026-03-11T00:00", "320 credits at"), ("2026-03-12 12:00:00", "325 credits at")):
            assert told in text_of(support.get(page_of(alice), {"at": asked}))
        assert "Write a date" in text_of(support.get(page_of(alice), {"at": "yesterday"}))

    def test_filters_the_timeline(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        kinds = support.get(page_of(alice)).context["kinds"]
        assert {"entries", "holds", "purchases", "invoices", "refunds", "disputes"} <= set(kinds)
        assert {"plan_changes", "webhooks", "staff_actions", "mails"} <= set(kinds)
        for kind in kinds:
            events = support.get(page_of(alice), {"show": kind}).context["history"].events
            assert {event.kind for event in events} == {kind}

    def test_leafs_through_the_timeline_and_loses_nothing(self, support: Client, alice: User, now: datetime) -> None:
        for number in range(60):  # all within one moment, and then more
            credits_services.grant(
                account_id=alice.pk,
                kind="bonus",
                credits=Decimal(number + 1),
                source=str(number),
                now=now + timedelta(days=number // 40),
            )
        seen, address = [], "?"
        while address:
            answer = support.get(page_of(alice) + address.split("#")[0])
            seen += [event.line.credits for event in answer.context["history"].events]
            address = answer.context["older"]
        assert seen == [Decimal(number) for number in range(60, 0, -1)]

    @pytest.mark.parametrize("until", ["nonsense", "2026-03-10", "2026-03-10T12:00:00Z~-1", "2026-03-10T12:00:00Z~x"])
    def test_takes_no_nonsense_for_a_place_in_it(self, support: Client, alice: User, until: str) -> None:
        assert support.get(page_of(alice), {"until": until}).status_code == 200


class TestEveryState:
    """Rows of every state are shown: in lists, on pages of their own, on the person's page, on the home page."""

    def make_rows(self, user: User, now: datetime) -> list[Any]:
        common: dict[str, Any] = {"user": user, "created_at": now}
        bought = {"package_id": "basic", "credits": 100, "bonus_credits": 5, "price_cents": 900, "currency": "usd"}
        rows: list[Any] = []
        for number, state in enumerate(CheckoutState.values):
            paid = {"paid_cents": 900} if state in ("fulfilled", "needs_review") else {}
            fulfilled = {"fulfilled_at": now} if state == "fulfilled" else {}
            reason = {"review_reason": "amount_subtotal is 1, quoted 900"} if state == "needs_review" else {}
            rows.append(
                Purchase.objects.create(
                    **common,
                    **bought,
                    **paid,
                    **fulfilled,
                    **reason,
                    state=state,
                    session_id=f"cs_s{number}",
                    request_hash="0" * 64,
                )
            )
            rows.append(
                SubscriptionCheckout.objects.create(
                    **common, state=state, request_hash="0" * 64, plan="pro", interval="yearly", price_id="price_1"
                )
            )
        customer = Customer.objects.create(id="cus_s", **common)
        for number, status in enumerate(SUBSCRIPTION_STATUSES):
            ended = {"ended_at": now} if status in ("canceled", "incomplete_expired") else {"is_surplus": number > 0}
            rows.append(
                Subscription.objects.create(
                    **common,
                    **ended,
                    id=f"sub_s{number}",
                    customer=customer,
                    plan="pro",
                    interval="monthly",
                    price_id="price_1",
                    item_id="si_1",
                    status=status,
                    anchor_at=now,
                    current_period_start=now,
                    current_period_end=now + timedelta(days=30),
                    cancel_at_period_end=number % 2 == 0,
                )
            )
        money = {**common, "purchase": rows[0], "amount_cents": 5, "currency": "usd"}
        for status in Refund.Status.values:
            sent = {} if status in ("requested", "refused") else {"refund_id": f"re_{status}"}
            rows.append(Refund.objects.create(**money, **sent, status=status, keep_credits=status == "failed"))
        rows += [Dispute.objects.create(**money, id=f"dp_{status}", status=status) for status in DISPUTE_STATUSES]
        return rows

    def make_credits(self, user: User, now: datetime) -> None:
        for kind in ("subscription", "purchase", "bonus", "adjustment"):
            credits_services.grant(account_id=user.pk, kind=kind, credits=Decimal(50), source=kind, now=now)
        holds = [
            credits_services.place_hold(
                account_id=user.pk, operation="image_generation", reference_id=end, idempotency_key=end, now=now,
                ttl_seconds=60 if end == "expired" else 900,
            ).id
            for end in ("captured", "released", "refunded", "open", "expired")
        ]  # fmt: skip
        credits_services.capture_hold(hold_id=holds[0], now=now)
        credits_services.release_hold(hold_id=holds[1], now=now)
        credits_services.capture_hold(hold_id=holds[2], now=now)
        credits_services.refund_capture(hold_id=holds[2], reason="worthless", now=now)
        credits_services.grant(
            account_id=user.pk, kind="bonus", credits=Decimal(5), source="short", now=now,
            expires_at=now + timedelta(minutes=2),
        )  # fmt: skip
        credits_services.expire(now=now + timedelta(minutes=3))
        credits_services.claw_back(
            account_id=user.pk, kind="purchase", source="purchase", credits=Decimal(50), idempotency_key="1",
            now=now + timedelta(minutes=3),
        )  # fmt: skip
        credits_services.freeze(account_id=user.pk, cause="dispute:dp_1", now=now + timedelta(minutes=3))

    @pytest.mark.parametrize("role", ["Auditor", "Admin"])
    def test_is_shown_everywhere(self, alice: User, role: str) -> None:
        client, now = staff_client(role), clock.now() - timedelta(minutes=5)
        self.make_credits(alice, now)
        rows = self.make_rows(alice, now)
        rows += [row for model in (Entry, Hold, Grant) for row in model.objects.all()]
        for url in ("/admin/", page_of(alice), *sorted({list_url(type(row)) for row in rows}), *map(page_url, rows)):
            assert client.get(url).status_code == 200, url
        told = text_of(client.get(page_of(alice))) + text_of(client.get(page_of(alice), {"show": "disputes"}))
        for state in ("needs review", "second, refunded", "Frozen", "Dispute of $0.05", "Inquiry about $0.05"):
            assert state in told
        tasks = {task.label: task.count for task in client.get("/admin/").context["tasks"]}
        assert tasks["Purchases need review"] == 1
        assert tasks["Open disputes and inquiries"] == 4

    @pytest.mark.parametrize("state", ["awaiting", "done", "rejected"])
    def test_of_an_adjustment_is_shown(self, alice: User, decider: Client, state: str) -> None:
        do(decider, alice, "adjust-credits", direction="give", credits="20000" if state != "done" else "5")
        if state == "rejected":
            asked = Adjustment.objects.get()
            do(staff_client("Admin"), alice, "reject-adjustment", str(asked.pk))
        for url in (page_of(alice), list_url(Adjustment), page_url(Adjustment.objects.get())):
            assert decider.get(url).status_code == 200
        assert Adjustment.objects.get().state == state


class TestActions:
    def target_of(self, user: User, action: str, client: APIClient, now: datetime) -> str:
        """Bring about what the action needs, and return what it is about."""
        match action:
            case "thaw":
                credits_services.freeze(account_id=user.pk, cause="staff", now=now)
            case "release-hold":
                credits_services.grant(account_id=user.pk, kind="bonus", credits=Decimal(9), source="1", now=now)
                return credits_services.place_hold(
                    account_id=user.pk, operation="image_generation", reference_id="1", idempotency_key="1", now=now
                ).id
            case "approve-adjustment" | "reject-adjustment":
                asker = make_user("asker@staff.test", is_staff=True)
                asker.groups.add(Group.objects.get(name="Support"))
                staff = users_services.Staff(asker, None, "goodwill", "Ticket 8")
                return str(
                    credits_services.adjust_by_staff(
                        staff=staff, account_id=user.pk, credits=Decimal(5000), key=uuid4(), now=now
                    ).pk
                )
            case "cancel-subscription" | "reactivate-subscription":
                session = client.post("/api/payment/checkout/subscription", {"plan": "pro"}).json()["session_id"]
                pay(session)
                services.settle_session(session_id=session, now=now)
                if action.startswith("reactivate"):
                    subscription = client.get("/api/payment/subscription").json()["id"]
                    services.cancel_subscription(user=user, subscription_id=subscription, at_period_end=True, now=now)
            case "refund-purchase" | "resend-fulfilment":
                session = open_credits(client)
                pay(session)
                if action.startswith("refund"):
                    services.settle_session(session_id=session, now=now)
                return str(Purchase.objects.get(session_id=session).pk)
            case "resend-verification":
                user.emailaddress_set.update(verified=False)  # type: ignore[attr-defined]
            case "remove-second-factor":
                TOTP.activate(user, generate_totp_secret())
            case "end-session" | "end-sessions":
                return str(UserSession.objects.create(user=user, ip="127.0.0.1", session_key="session").pk)
            case "revoke-key":
                return str(make_key(user).pk)
        return ""

    def test_are_all_tried_here(self) -> None:
        assert {filled.name for filled in backoffice.actions} == set(ACTIONS)

    @pytest.mark.parametrize("action", ACTIONS)
    def test_preview_change_nothing_and_are_written_down_when_done(
        self, alice: User, alice_client: APIClient, action: str
    ) -> None:
        client, (fields, _) = staff_client("Admin"), ACTIONS[action]
        target = self.target_of(alice, action, alice_client, clock.now())
        before = StaffAction.objects.count()
        assert client.get(page_of(alice, action), {"target": target}).status_code == 200
        content = {"key": str(uuid4()), "target": target, **WHY, **fields}
        preview = client.post(page_of(alice, action), content | {"preview": "1"})
        assert preview.status_code == 200, text_of(preview)
        assert "What will happen" in text_of(preview)
        assert StaffAction.objects.count() == before
        done = client.post(page_of(alice, action), content | {"confirm": "1"})
        assert done.status_code == 302, text_of(done)
        assert StaffAction.objects.count() == before + 1
        written = StaffAction.objects.latest("pk")
        assert (written.whom, written.reason, written.note) == (alice, WHY["reason"], WHY["note"])
        assert written.address == "127.0.0.1"
        assert client.get(page_of(alice)).status_code == 200

    @pytest.mark.parametrize("role", ROLES)
    def test_refuse_and_log_who_may_not(self, alice: User, role: str, caplog: Any) -> None:
        client = staff_client(role)
        refused = [action for action, (_, allowed) in ACTIONS.items() if role not in allowed]
        for action in refused:
            content = {"key": str(uuid4()), "target": "x", **WHY, **ACTIONS[action][0], "confirm": "1"}
            assert client.get(page_of(alice, action), {"target": "x"}).status_code == 403
            assert client.post(page_of(alice, action), content).status_code == 403
        assert caplog.text.count("'event': 'Refused a staff action'") == 2 * len(refused)
        assert not StaffAction.objects.exists()

    def test_let_those_pass_who_may(self, alice: User) -> None:
        clients = {role: staff_client(role) for role in ROLES}
        for action, (_, allowed) in ACTIONS.items():
            for role in allowed:
                assert clients[role].get(page_of(alice, action), {"target": "x"}).status_code != 403

    def test_want_a_reason_and_a_note(self, alice: User) -> None:
        client = staff_client("Admin")
        for action, (fields, _) in ACTIONS.items():
            for missing in WHY:
                content = {"key": str(uuid4()), "target": "x", **WHY, **fields, "confirm": "1", missing: ""}
                answer = client.post(page_of(alice, action), content)
                assert answer.status_code == 200
                assert answer.context["form"].errors[missing]
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize("action", [name for name, filled in ACTIONS.items() if name not in ("end-sessions",)])
    def test_about_somebody_elses_things_find_nothing(
        self, alice: User, bob: User, alice_client: APIClient, action: str
    ) -> None:
        target = self.target_of(alice, action, alice_client, clock.now())
        if not target:
            return
        before = StaffAction.objects.count()
        fields, _ = ACTIONS[action]
        _, after = do(staff_client("Admin"), bob, action, target, **fields)
        assert after.status_code in (404, 409)
        assert StaffAction.objects.count() == before

    def test_that_do_not_exist_are_unknown(self, alice: User) -> None:
        client = staff_client("Admin")
        for action in ("make-rich", "refund-purchase"):  # the second one needs to know of which purchase
            assert client.get(page_of(alice, action)).status_code == 404

    def test_take_back_what_was_typed(self, decider: Client, alice: User) -> None:
        content = {**WHY, "direction": "give", "credits": "7", "key": str(uuid4()), "change": "1"}
        answer = decider.post(page_of(alice, "adjust-credits"), content)
        assert answer.context["form"]["credits"].value() == "7"
        assert "What will happen" not in text_of(answer)


class TestStories:
    def buy(self, client: APIClient, credits_amount: int = 100) -> Purchase:
        session_id = open_credits(client, credits_amount)
        pay(session_id)
        settled = services.settle_session(session_id=session_id, now=clock.now())
        assert isinstance(settled, Purchase)
        return settled

    def test_half_a_refund_of_spent_credits_is_debt_that_the_next_purchase_pays(
        self, decider: Client, alice: User, alice_client: APIClient
    ) -> None:
        purchase = self.buy(alice_client)
        available = credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available
        credits_services.adjust(
            account_id=alice.pk, credits=-(available - 20), reason="Spent", idempotency_key="1", now=clock.now()
        )
        preview, after = do(decider, alice, "refund-purchase", str(purchase.pk), amount="4.50")
        assert "52.5 credits are taken back." in text_of(preview)
        assert "32.5 of them are spent or held, and become debt" in text_of(preview)
        assert "Debt 32.5" in text_of(after)
        self.buy(alice_client)
        page = text_of(decider.get(page_of(alice)))
        assert "Debt 0" in page
        assert "Available 72.5" in page

    def test_a_refund_may_leave_the_credits(self, decider: Client, alice: User, alice_client: APIClient) -> None:
        purchase = self.buy(alice_client)
        before = credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available
        preview, _ = do(decider, alice, "refund-purchase", str(purchase.pk), amount="", keep_credits="on")
        assert "They keep the credits." in text_of(preview)
        assert Refund.objects.get().keep_credits
        assert credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available == before

    def test_a_refund_clicked_twice_is_one(self, decider: Client, alice: User, alice_client: APIClient) -> None:
        purchase = self.buy(alice_client)
        content = {**WHY, "key": str(uuid4()), "target": str(purchase.pk), "amount": "4.50", "confirm": "1"}
        for _ in range(2):
            assert decider.post(page_of(alice, "refund-purchase"), content).status_code == 302
        assert Refund.objects.count() == 1
        assert StaffAction.objects.count() == 1

    def test_more_than_was_paid_is_refused(self, decider: Client, alice: User, alice_client: APIClient) -> None:
        purchase = self.buy(alice_client)
        preview, after = do(decider, alice, "refund-purchase", str(purchase.pk), amount="9.01")
        assert (preview.status_code, after.status_code) == (409, 409)
        assert "Less than that is left to refund." in text_of(after)
        assert not Refund.objects.exists()

    def test_paid_and_got_nothing_is_put_right_from_one_page(
        self, support: Client, alice: User, alice_client: APIClient
    ) -> None:
        session_id = open_credits(alice_client)
        pay(session_id)  # and no webhook was ever worked on
        page = support.get("/admin/people/", {"q": session_id}, follow=True)
        assert "Fulfil again …" in text_of(page)
        purchase = Purchase.objects.get(session_id=session_id)
        for _ in range(2):
            _, after = do(support, alice, "resend-fulfilment", str(purchase.pk))
        assert "fulfilled" in text_of(after)
        assert credits_selectors.granted(account_id=alice.pk, kind="purchase", source=f"purchase:{purchase.pk}") == 100

    def test_five_thousand_by_support_wait_for_billing(self, support: Client, decider: Client, alice: User) -> None:
        preview, after = do(support, alice, "adjust-credits", direction="give", credits="5000")
        assert "This becomes a request" in text_of(preview)
        assert "Available 0" in text_of(after)
        asked = credits_selectors.list_adjustments(user_id=alice.pk, limit=1)[0]
        assert "Approve …" not in text_of(support.get(page_of(alice)))
        _, after = do(decider, alice, "approve-adjustment", str(asked.pk))
        assert "Available 5,000" in text_of(after)
        _, after = do(decider, alice, "approve-adjustment", str(asked.pk))
        assert "Available 5,000" in text_of(after)

    def test_nobody_approves_their_own(self, decider: Client, alice: User) -> None:
        do(decider, alice, "adjust-credits", direction="give", credits="20000")
        asked = credits_selectors.list_adjustments(user_id=alice.pk, limit=1)[0]
        preview, after = do(decider, alice, "approve-adjustment", str(asked.pk))
        assert (preview.status_code, after.status_code) == (403, 403)
        assert "somebody else has to decide" in text_of(after)
        assert "Available 0" in text_of(decider.get(page_of(alice)))

    def test_a_subscription_ends_and_goes_on_again(
        self, decider: Client, alice: User, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscribe(alice_client)
        _, after = do(decider, alice, "cancel-subscription", when="period_end")
        assert "The subscription ends on" in text_of(after)
        _, after = do(decider, alice, "reactivate-subscription")
        assert "The subscription goes on." in text_of(after)
        preview, after = do(decider, alice, "cancel-subscription", when="now")
        assert "cannot be undone" in text_of(preview)
        assert alice_client.get("/api/payment/subscription").json()["plan"] == "free"

    def test_what_stripe_refuses_is_written_down_as_refused(
        self, decider: Client, alice: User, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscription_id = subscribe(alice_client)
        services.cancel_subscription(user=alice, subscription_id=subscription_id, at_period_end=False, now=clock.now())
        _, after = do(decider, alice, "cancel-subscription", when="now")
        assert after.status_code == 404
        assert not StaffAction.objects.exists()

    def test_sync_brings_what_no_webhook_brought(self, support: Client, alice: User, alice_client: APIClient) -> None:
        pay(open_credits(alice_client))
        _, after = do(support, alice, "sync-from-stripe")
        assert "put right" in text_of(after)
        assert Purchase.objects.get().state == "fulfilled"

    def test_a_mailed_link_confirms_an_address_once(
        self, support: Client, alice: User, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
    ) -> None:
        alice.emailaddress_set.update(verified=False)  # type: ignore[attr-defined]
        with django_capture_on_commit_callbacks(execute=True):
            do(support, alice, "resend-verification")
        (mail,) = mailoutbox
        assert mail.to == [alice.email]
        link = re.search(r"http\S+", mail.body)
        assert link
        path = link.group().split("/", 3)[3]
        visitor = Client()
        assert "Is alice@smartspec.test your address" in text_of(visitor.get(f"/{path}"))
        assert not alice.emailaddress_set.get().verified  # type: ignore[attr-defined] # looking confirms nothing
        assert "is confirmed" in text_of(visitor.post(f"/{path}"))
        assert alice.emailaddress_set.get().verified  # type: ignore[attr-defined]
        assert visitor.post(f"/{path}").status_code == 410
        assert visitor.get(f"/{path[:-2]}xx").status_code == 410

    def test_ended_sessions_are_refused_at_once(self, support: Client, alice: User) -> None:
        device = make_client(alice)
        token = device.defaults["HTTP_AUTHORIZATION"].split()[1]
        UserSession.objects.create(user=alice, ip="127.0.0.1", session_key=token)
        assert device.get("/api/me").status_code == 200
        do(support, alice, "end-sessions")
        assert device.get("/api/me").status_code == 401
        assert not Session.objects.filter(session_key=token).exists()

    def test_a_lost_second_factor_goes_with_its_codes_and_the_person_is_told(
        self, alice: User, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
    ) -> None:
        TOTP.activate(alice, generate_totp_secret())
        RecoveryCodes.activate(alice)
        client = staff_client("Admin")
        assert "Remove second factor" in text_of(client.get(page_of(alice)))
        with django_capture_on_commit_callbacks(execute=True):
            _, after = do(client, alice, "remove-second-factor")
        assert not Authenticator.objects.filter(user=alice).exists()
        assert page_of(alice, "remove-second-factor") not in after.content.decode()
        (mail,) = mailoutbox
        assert (mail.to, mail.subject) == ([alice.email], "Your two-factor sign-in was removed")
        done = StaffAction.objects.get()
        assert done.before == {"second_factors": ["recovery_codes", "totp"]}
        _, second_time = do(client, alice, "remove-second-factor")
        assert "They have no second factor." in text_of(second_time)
