"""Rows of every state are shown everywhere."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.models import CheckoutState, Customer, Dispute, Purchase, Refund, Subscription, SubscriptionCheckout
from billing.tests.test_admin import list_url, page_url
from billing.tests.test_backoffice.desk import do, page_of, staff_client, text_of
from credits import services as credits_services
from credits.models import Adjustment, Entry, Grant, Hold
from smartspec import clock
from smartspec.users.models import User

SUBSCRIPTION_STATUSES = (
    *("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired", "canceled"),
)
DISPUTE_STATUSES = (
    *("warning_needs_response", "warning_under_review", "warning_closed", "needs_response", "under_review", "won"),
    *("lost", "prevented"),
)


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
