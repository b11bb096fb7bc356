"""Finding anyone by whatever they write."""

from datetime import datetime

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Purchase
from billing.tests.conftest import open_credits, pay
from billing.tests.test_admin import client_of, live
from billing.tests.test_backoffice.desk import page_of, text_of
from smartspec import clock
from smartspec.testing import make_user
from smartspec.users import keys
from smartspec.users.models import ApiKey, User


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
