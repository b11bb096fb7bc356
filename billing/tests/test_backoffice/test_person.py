"""A person's page."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client

from billing.tests.test_admin import live
from billing.tests.test_backoffice.desk import ROLES, make_key, page_of, staff_client, text_of
from credits import services as credits_services
from smartspec import clock
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
