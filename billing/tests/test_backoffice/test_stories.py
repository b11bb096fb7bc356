"""What staff come for, from the first look to what was put right."""

import html
import re
from collections.abc import Callable
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
from django.test import Client
from rest_framework.test import APIClient

from billing import selectors, services
from billing.models import PaidInvoice, Purchase, Refund
from billing.sandbox import store
from billing.sandbox.services import disputes
from billing.tests.conftest import open_credits, pay
from billing.tests.test_admin import client_of
from billing.tests.test_backoffice.desk import (
    WHY,
    do,
    page_of,
    staff_client,
    text_of,
)
from credits import selectors as credits_selectors
from credits import services as credits_services
from smartspec import clock
from smartspec.testing import make_client
from smartspec.users.models import StaffAction, User


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

    def test_half_a_month_of_a_plan_goes_back_with_half_its_credits(
        self, decider: Client, alice: User, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscribe(alice_client)
        credits_services.adjust(
            account_id=alice.pk, credits=Decimal(-400), reason="Spent", idempotency_key="1", now=clock.now()
        )
        available = credits_selectors.get_balance(account_id=alice.pk, now=clock.now()).available
        invoice = PaidInvoice.objects.get()
        assert "Refund …" in text_of(decider.get(page_of(alice)))
        preview, after = do(decider, alice, "refund-invoice", invoice.pk, amount="14.50")
        assert "$14.50 of $29.00 go back" in text_of(preview)
        assert "250 credits are taken back." in text_of(preview)
        assert f"{250 - available:.0f} of them are spent or held, and become debt" in text_of(preview)
        assert f"Debt {250 - available:.0f}" in text_of(after)
        refund = Refund.objects.get()
        assert (refund.invoice, refund.purchase, refund.status) == (invoice, None, "succeeded")
        assert StaffAction.objects.latest("pk").action == "refund_invoice"

    def test_a_month_refunded_by_two_clicks_is_refunded_once(
        self, decider: Client, alice: User, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscribe(alice_client)
        content = {**WHY, "key": str(uuid4()), "target": PaidInvoice.objects.get().pk, "amount": "", "confirm": "1"}
        for _ in range(2):
            assert decider.post(page_of(alice, "refund-invoice"), content).status_code == 302
        assert Refund.objects.get().amount_cents == 2900
        assert StaffAction.objects.count() == 1
        content["key"] = str(uuid4())
        assert "Less than that is left to refund." in text_of(decider.post(page_of(alice, "refund-invoice"), content))

    def test_a_month_that_no_card_paid_for_is_not_refunded_here(
        self, decider: Client, alice: User, alice_client: APIClient, subscribe: Callable[..., str]
    ) -> None:
        subscribe(alice_client)
        invoice = PaidInvoice.objects.get()
        for payment in store.find("invoice_payment", data__invoice=invoice.pk):
            store.save(payment | {"status": "canceled"})
        _, after = do(decider, alice, "refund-invoice", invoice.pk, amount="")
        assert "see to it in Stripe's dashboard" in html.unescape(text_of(after))
        assert not Refund.objects.exists()

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
        page = support.get(page_of(alice))
        assert "asked for +5,000 credits, which wait for somebody else's approval" in html.unescape(text_of(page))
        assert "Approve …" not in text_of(page)
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

    def test_superusers_are_spared_by_whoever_is_none(self, support: Client, alice: User) -> None:
        alice.is_staff = alice.is_superuser = True
        alice.save()
        UserSession.objects.create(user=alice, ip="127.0.0.1", session_key="k" * 32)
        TOTP.activate(alice, generate_totp_secret())
        for client, action in ((support, "end-sessions"), (staff_client("Admin"), "remove-second-factor")):
            _, after = do(client, alice, action)
            assert after.status_code == 403
        assert UserSession.objects.filter(user=alice).exists()
        assert Authenticator.objects.filter(user=alice).exists()

    def test_nobody_removes_their_own_second_factor_at_the_desk(self, alice: User) -> None:
        alice.is_staff = alice.is_superuser = True
        alice.save()
        TOTP.activate(alice, generate_totp_secret())
        _, after = do(client_of(alice), alice, "remove-second-factor")
        assert after.status_code == 403
        assert Authenticator.objects.filter(user=alice).exists()

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


class TestPaidOtherwiseThanQuoted:
    """A payment that fits no quote waits until a person gives it back, or gives what was bought."""

    @pytest.fixture
    def purchase(self, alice_client: APIClient) -> Purchase:
        session_id = open_credits(alice_client)
        pay(session_id)
        Purchase.objects.update(price_cents=890)
        services.settle_session(session_id=session_id, now=clock.now())
        return Purchase.objects.get(state="needs_review")

    def is_open(self, client: Client, user: User) -> bool:
        """Tell whether page, figure and comparison ask for a decision; they say the same."""
        says = {
            "which was quoted at" in html.unescape(text_of(client.get(page_of(user)))),
            bool(selectors.count_needing_review()),
            bool(services.reconcile(now=clock.now(), is_repair=True).remaining),
        }
        assert len(says) == 1
        return says.pop()

    def test_is_given_all_the_same_once(self, decider: Client, alice: User, purchase: Purchase) -> None:
        assert self.is_open(decider, alice)
        assert "Give the credits …" in text_of(decider.get(page_of(alice)))
        preview, after = do(decider, alice, "accept-purchase", str(purchase.pk))
        assert "105 credits are given to alice@smartspec.test for $9.00; $8.90 was quoted." in text_of(preview)
        assert "Basic: 100 + 5 credits: fulfilled." in text_of(after)
        assert "Available 105" in text_of(after)
        _, after = do(decider, alice, "accept-purchase", str(purchase.pk))
        assert "waits for nobody's decision: it is fulfilled" in html.unescape(text_of(after))
        services.settle_session(session_id=purchase.session_id or "", now=clock.now())
        assert "Available 105" in text_of(decider.get(page_of(alice)))
        assert not self.is_open(decider, alice)
        assert "amount_subtotal is 900, quoted 890" in StaffAction.objects.get().before["differs"]

    def test_is_taken_back_by_a_refund_when_it_was_given(
        self, decider: Client, alice: User, purchase: Purchase
    ) -> None:
        do(decider, alice, "accept-purchase", str(purchase.pk))
        _, after = do(decider, alice, "refund-purchase", str(purchase.pk), amount="")
        assert "Available 0" in text_of(after)
        assert not self.is_open(decider, alice)

    def test_is_over_when_all_of_it_went_back(self, decider: Client, alice: User, purchase: Purchase) -> None:
        do(decider, alice, "refund-purchase", str(purchase.pk), amount="")
        assert not self.is_open(decider, alice)
        page = text_of(decider.get(page_of(alice)))
        assert "Give the credits …" not in page
        preview, after = do(decider, alice, "accept-purchase", str(purchase.pk))
        assert (preview.status_code, after.status_code) == (409, 409)
        assert "Available 0" in text_of(decider.get(page_of(alice)))

    @pytest.mark.parametrize(("outcome", "is_over"), [("lost", True), ("won", False)])
    def test_is_over_when_the_bank_took_all_of_it_back(
        self, outcome: Any, is_over: bool, decider: Client, alice: User, purchase: Purchase
    ) -> None:
        charge = store.get("payment_intent", purchase.payment_intent_id)["latest_charge"]
        dispute_id = disputes.open_dispute(charge, now=clock.now())["id"]
        disputes.close_dispute(dispute_id, now=clock.now(), outcome=outcome)
        services.settle_dispute(dispute_id=dispute_id, now=clock.now())
        assert self.is_open(decider, alice) is not is_over
        page = text_of(decider.get(page_of(alice)))
        assert ("Give the credits …" in page, "Refund …" in page) == (not is_over, not is_over)

    @pytest.mark.parametrize(("keeps", "left"), [("", "93.333334"), ("on", "105")])
    def test_of_which_a_part_went_back_gives_the_rest_or_all(
        self, decider: Client, alice: User, purchase: Purchase, keeps: str, left: str
    ) -> None:
        do(decider, alice, "refund-purchase", str(purchase.pk), amount="1.00", keep_credits=keeps)
        assert self.is_open(decider, alice)
        preview, after = do(decider, alice, "accept-purchase", str(purchase.pk))
        assert "Of that, $1.00 went back" in text_of(preview)
        assert f"Available {left}" in text_of(after)
        assert not self.is_open(decider, alice)

    def test_is_given_by_nobody_to_themselves(self, alice: User, purchase: Purchase) -> None:
        alice.is_staff = True
        alice.save()
        alice.groups.add(Group.objects.get(name="Billing"))
        _, after = do(client_of(alice), alice, "accept-purchase", str(purchase.pk))
        assert after.status_code == 403
        assert Purchase.objects.get().state == "needs_review"
