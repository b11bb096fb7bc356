"""A person's page."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client

from billing.models import Dispute, Purchase, Subscription, Webhook
from billing.tests.test_admin import live
from billing.tests.test_backoffice.desk import ROLES, do, make_key, page_of, staff_client, text_of
from credits import services as credits_services
from credits.models import Adjustment
from smartspec import clock
from smartspec.models import JobFailure
from smartspec.users.models import User


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
        for told in ("Dispute of $4.50", "Desktop", "script", "sub_1", "cus_1", "Adjust credits by"):
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
        for nonsense in ("yesterday", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"):
            assert "Write a date" in text_of(support.get(page_of(alice), {"at": nonsense}))
        assert support.get(page_of(alice), {"until": "9999-12-31T23:59:59.999999Z"}).status_code == 200

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

    def test_leaves_out_of_the_overview_what_only_machines_read(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        assert "invoice.paid" not in text_of(support.get(page_of(alice)))
        shown = support.get(page_of(alice), {"show": "everything"})
        assert {event.kind for event in shown.context["history"].events} >= {"entries", "holds", "webhooks"}
        assert "invoice.paid" in text_of(shown)

    def test_leads_to_every_part_of_the_page(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        page = support.get(page_of(alice)).content.decode()
        for anchor in re.findall(r'href="#([^"]+)"', page):
            assert f'id="{anchor}"' in page


class TestWhatIsTheMatter:
    """What is wrong stands above everything else, in words that need no knowledge of Stripe."""

    def told(self, client: Client, user: User) -> str:
        return " ".join(alert.text for alert, _ in client.get(page_of(user)).context["alerts"])

    def test_is_nothing_with_most_people(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        Dispute.objects.update(status="won")
        Adjustment.objects.all().delete()
        assert self.told(support, alice) == ""

    def test_is_news_from_stripe_that_were_lost(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        Webhook.objects.update(job_id=4711)
        JobFailure.objects.create(pk=4711, error="StripeUnavailable: timed out", attempts=9, failed_at=clock.now())
        told = self.told(support, alice)
        assert "Stripe told us “invoice.paid”" in told
        assert "Nobody tries again by itself: replay it. StripeUnavailable: timed out" in told
        Webhook.objects.update(processed_at=clock.now())
        assert "Stripe told us" not in self.told(support, alice)

    @pytest.mark.parametrize(
        ("state", "sentence"),
        [
            ("open", "have not paid, as far as we know"),
            ("processing", "is on its way since"),
            ("needs_review", "They paid $9.00 for Basic: 100 + 5 credits, which was quoted at $8.90"),
        ],
    )
    def test_is_a_purchase_that_brought_nothing_yet(
        self, support: Client, alice: User, state: str, sentence: str
    ) -> None:
        Purchase.objects.create(
            user=alice, state=state, session_id="cs_1", request_hash="0" * 64, created_at=clock.now(),
            package_id="basic", credits=100, bonus_credits=5, price_cents=890, currency="usd",
            paid_cents=900 if state == "needs_review" else None,
            review_reason="amount_subtotal is 900, quoted 890" if state == "needs_review" else "",
        )  # fmt: skip
        assert sentence in self.told(support, alice)

    def test_is_a_renewal_that_was_not_paid_and_gives_no_credits(self, support: Client, alice: User) -> None:
        live(alice, clock.now())
        Subscription.objects.update(status="past_due")
        assert "The renewal of Pro was not paid." in self.told(support, alice)
        page = text_of(support.get(page_of(alice)))
        assert "Next allowance none until the renewal is paid" in page
        assert "500 credits a month" not in page

    def test_is_a_dispute_until_it_is_over_and_thawed(self, decider: Client, alice: User) -> None:
        live(alice, clock.now())
        Adjustment.objects.all().delete()
        credits_services.freeze(account_id=alice.pk, cause="dispute:dp_1", now=clock.now())
        assert "Their bank disputes a payment of $4.50" in self.told(decider, alice)
        Dispute.objects.update(status="lost")
        assert "It freezes the account until somebody thaws it." in self.told(decider, alice)
        assert "frozen" in text_of(decider.get("/admin/billing/dispute/"))
        do(decider, alice, "thaw", cause="dispute:dp_1")
        assert self.told(decider, alice) == ""
        assert "thawed" in text_of(decider.get("/admin/billing/dispute/"))

    def test_is_debt_and_a_freeze_by_staff(self, support: Client, alice: User) -> None:
        now = clock.now()
        credits_services.grant(account_id=alice.pk, kind="purchase", credits=Decimal(9), source="p", now=now)
        credits_services.adjust(account_id=alice.pk, credits=Decimal(-9), reason="Spent", idempotency_key="1", now=now)
        credits_services.claw_back(
            account_id=alice.pk, kind="purchase", source="p", credits=Decimal(9), idempotency_key="1", now=now
        )
        credits_services.freeze(account_id=alice.pk, cause="staff", now=now)
        told = self.told(support, alice)
        assert "They owe 9 credits" in told
        assert "Staff froze the account" in told
