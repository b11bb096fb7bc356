"""What is changed in Stripe's portal, or by staff in Stripe's dashboard, has the effects of what is changed here."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, handlers, services
from billing.models import PaidInvoice, Subscription
from billing.sandbox import store
from billing.sandbox.tests.pages import path_of
from billing.tests.conftest import Travel
from billing.tests.test_plan_changes import change, use_card
from billing.tests.test_subscriptions import allowances, tier
from smartspec import clock

pytestmark = pytest.mark.django_db

Subscribe = Callable[..., str]
RunJobs = Callable[[], int]
URL = "/api/payment/subscription"
ENTERPRISE, PRO = "price_smartspec_enterprise_monthly", "price_smartspec_pro_monthly"
WAITING: Any = {"pending_invoice_items_behavior": "include"}


def view(client: APIClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/api/payment/subscription").json()
    return answer


@pytest.fixture
def portal(alice_client: APIClient, settings: Any) -> Callable[[], str]:
    """Return a function that opens Alice's portal, as setup_stripe configures it, and returns its path."""
    setup = services.set_up_stripe(handled_events=handlers.HANDLERS, is_dry_run=False)
    settings.STRIPE_PORTAL_CONFIGURATION = setup.environment["STRIPE_PORTAL_CONFIGURATION"]

    def open_portal() -> str:
        answer = alice_client.post("/api/payment/billing-portal", {"return_url": "http://localhost:1420/billing"})
        return path_of(answer.json()["url"])

    return open_portal


def switch(portal: str, subscription_id: str, price: str) -> Any:
    """Press the button of the page that confirms a switch."""
    return Client().post(f"{portal}/plans/{subscription_id}/{price}")


@pytest.fixture
def onboarding(alice_client: APIClient, subscribe: Subscribe) -> Callable[..., str]:
    """Return a function that puts something sold once, from the catalogue, on the next invoice of Alice's plan, as
    staff do in the dashboard, and returns the subscription's id."""
    subscription_id = subscribe(alice_client)
    api = gateway.client().v1
    product = api.products.create(params={"name": "Onboarding call"})
    price = api.prices.create(params={"currency": "usd", "unit_amount": 5000, "product": product.id})

    def add(**values: Any) -> str:
        customer_id = Subscription.objects.get().customer_id
        item: Any = {"customer": customer_id, "pricing": {"price": price.id}, **values}
        api.invoice_items.create(params=item)
        return subscription_id

    return add


def update_at_stripe(subscription_id: str, price: str, **values: Any) -> dict[str, Any]:
    """Change the plan as staff do in the dashboard."""
    item = store.get("subscription", subscription_id)["items"]["data"][0]["id"]
    return gateway.update_subscription(subscription_id, {"items": [{"id": item, "price": price}], **values})


class TestPortal:
    def test_upgrades_now_and_gives_the_difference(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, portal: Callable[[], str], run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client)
        opened = portal()
        shown = Client().get(f"{opened}/plans/{subscription_id}/{ENTERPRISE}").content.decode()
        assert "Amount due today" in shown
        switch(opened, subscription_id, ENTERPRISE)
        run_jobs()
        assert (tier(alice), view(alice_client)["plan"]) == ("enterprise", "enterprise")
        month, upgrade = allowances(alice)
        assert month == 500
        assert 4_490 <= upgrade <= 4_500
        invoice = store.get("invoice", store.get("subscription", subscription_id)["latest_invoice"])
        assert (invoice["status"], invoice["billing_reason"]) == ("paid", "subscription_update")

    def test_lets_what_would_owe_money_back_wait(
        self,
        alice: Any,
        alice_client: APIClient,
        subscribe: Subscribe,
        portal: Callable[[], str],
        run_jobs: RunJobs,
        travel: Travel,
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        switch(portal(), subscription_id, PRO)
        run_jobs()
        end = Subscription.objects.get().current_period_end
        waiting = view(alice_client)
        assert waiting["plan"] == "enterprise"
        assert waiting["pending_change"]["plan"] == "pro"
        assert waiting["pending_change"]["effective_at"] == waiting["current_period_end"]
        assert store.find("invoice", subscription=subscription_id)[0]["billing_reason"] == "subscription_create"
        travel(end + timedelta(hours=2))
        assert (tier(alice), view(alice_client)["pending_change"]) == ("pro", None)
        assert allowances(alice) == [5000, 500]

    def test_takes_a_waiting_change_back(
        self, alice_client: APIClient, subscribe: Subscribe, portal: Callable[[], str], run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        opened = portal()
        switch(opened, subscription_id, PRO)
        run_jobs()
        kept = Client().post(opened, {"action": "keep", "subscription": subscription_id}, follow=True)
        assert "Your plan stays as it is." in kept.content.decode()
        run_jobs()
        assert view(alice_client)["pending_change"] is None

    def test_shows_and_undoes_what_was_scheduled_here(
        self, alice_client: APIClient, subscribe: Subscribe, portal: Callable[[], str], run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        assert change(alice_client, subscription_id, "pro").json()["status"] == "scheduled"
        opened = portal()
        assert "Your plan changes to" in Client().get(opened).content.decode()
        Client().post(opened, {"action": "keep", "subscription": subscription_id})
        run_jobs()
        assert view(alice_client)["pending_change"] is None

    def test_changes_nothing_with_a_refused_card(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, portal: Callable[[], str], run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client)
        use_card(subscription_id, "pm_card_chargeCustomerFail")
        answer = switch(portal(), subscription_id, ENTERPRISE)
        assert "Your card was declined." in answer.content.decode()
        run_jobs()
        assert (tier(alice), allowances(alice)) == ("pro", [500])
        assert store.get("subscription", subscription_id)["pending_update"] is None

    def test_waits_for_authentication(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, portal: Callable[[], str], run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client)
        use_card(subscription_id, "pm_card_authenticationRequired")
        asked = switch(portal(), subscription_id, ENTERPRISE)
        run_jobs()
        assert tier(alice) == "pro"
        Client().post(asked["Location"], {"outcome": "complete"})
        run_jobs()
        assert tier(alice) == "enterprise"
        assert len(allowances(alice)) == 2

    def test_does_not_offer_what_would_give_a_higher_plan_back_at_once(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, portal: Callable[[], str], run_jobs: RunJobs
    ) -> None:
        """A year of Pro costs more than a month of Enterprise: Stripe's conditions would let it happen now."""
        subscription_id = subscribe(alice_client, "enterprise")
        opened = portal()
        offered = Client().get(f"{opened}/plans/{subscription_id}").content.decode()
        assert PRO in offered
        assert "price_smartspec_pro_yearly" not in offered
        switch(opened, subscription_id, "price_smartspec_pro_yearly")
        run_jobs()
        assert tier(alice) == "enterprise"
        assert store.get("customer", Subscription.objects.get().customer_id)["balance"] == 0

    def test_cancels_with_a_reason_and_resumes(
        self, alice_client: APIClient, subscribe: Subscribe, portal: Callable[[], str], run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client)
        opened = portal()
        form = {"action": "cancel", "reason": "too_expensive", "comment": "Only for now"}
        Client().post(f"{opened}/cancel/{subscription_id}", form)
        run_jobs()
        assert view(alice_client)["cancel_at_period_end"] is True
        assert Subscription.objects.get().cancel_at_period_end is False  # Stripe's portal sets the moment alone
        details = store.get("subscription", subscription_id)["cancellation_details"]
        assert (details["feedback"], details["comment"]) == ("too_expensive", "Only for now")
        Client().post(opened, {"action": "resume", "subscription": subscription_id})
        run_jobs()
        assert view(alice_client)["cancel_at_period_end"] is False

    def test_cancels_what_is_then_gone_on_with_here(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, portal: Callable[[], str], run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client)
        Client().post(f"{portal()}/cancel/{subscription_id}", {"action": "cancel"})
        run_jobs()
        again = alice_client.post(f"{URL}/change-plan", {"subscription_id": subscription_id, "new_plan": "free"})
        assert again.json()["code"] == "no_change"
        assert alice_client.get("/api/payment/invoices/upcoming").json()["upcoming_invoice"] is None
        browser = Client()
        browser.force_login(alice)
        page = browser.get("/account/plans").content.decode()
        assert ('id="resume-plan"' in page, 'id="cancel-plan"' in page) == (True, False)
        assert alice_client.post(f"{URL}/reactivate", {"subscription_id": subscription_id}).status_code == 200
        assert store.get("subscription", subscription_id)["cancel_at"] is None
        assert (view(alice_client)["cancel_at"], view(alice_client)["access_ends_at"]) == (None, None)

    def test_cancels_what_a_scheduled_change_then_takes_the_place_of(
        self, alice_client: APIClient, subscribe: Subscribe, portal: Callable[[], str], run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        Client().post(f"{portal()}/cancel/{subscription_id}", {"action": "cancel"})
        run_jobs()
        body = {"subscription_id": subscription_id, "new_plan": "pro"}
        gateway.client().v1.prices.update("price_smartspec_pro_monthly", {"active": False})
        assert alice_client.post(f"{URL}/change-plan", body).json()["code"] == "change_not_available"
        assert view(alice_client)["cancel_at"] == view(alice_client)["current_period_end"]  # as it was
        gateway.client().v1.prices.update("price_smartspec_pro_monthly", {"active": True})
        assert alice_client.post(f"{URL}/change-plan", body).json()["status"] == "scheduled"
        assert (view(alice_client)["cancel_at"], view(alice_client)["pending_change"]["plan"]) == (None, "pro")

    def test_is_of_nobody_else(
        self, alice: Any, alice_client: APIClient, bob_client: APIClient, subscribe: Subscribe, portal: Any
    ) -> None:
        subscription_id = subscribe(alice_client)
        answer = bob_client.post("/api/payment/billing-portal", {"return_url": "http://localhost:1420/billing"})
        bobs = path_of(answer.json()["url"])
        assert Client().get(f"{bobs}/plans/{subscription_id}").status_code == 404
        assert switch(bobs, subscription_id, ENTERPRISE).status_code == 404
        assert tier(alice) == "pro"


class TestDashboard:
    def test_an_upgrade_billed_at_once_gives_the_difference(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client)
        update_at_stripe(subscription_id, ENTERPRISE, proration_behavior="always_invoice")
        run_jobs()
        assert tier(alice) == "enterprise"
        assert 4_990 <= sum(allowances(alice)) <= 5_000

    def test_an_upgrade_billed_with_the_renewal_gives_the_difference_when_that_is_paid(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs, travel: Travel
    ) -> None:
        subscription_id = subscribe(alice_client)
        row = Subscription.objects.get()
        middle = row.current_period_start + (row.current_period_end - row.current_period_start) / 2
        travel(middle)
        update_at_stripe(subscription_id, ENTERPRISE, proration_behavior="create_prorations")
        run_jobs()
        assert (tier(alice), allowances(alice)) == ("enterprise", [500])  # the plan is theirs, the money is still owed
        travel(row.current_period_end + timedelta(hours=2))
        assert sorted(allowances(alice)) == [500, 2250, 5000]
        recorded = PaidInvoice.objects.get(billing_reason="subscription_cycle")
        assert (recorded.upgrade_credits, recorded.allowance_credits) == (Decimal(2250), Decimal(5000))
        services.record_invoice(invoice_id=recorded.pk, now=clock.now())
        assert sum(allowances(alice)) == 7750

    def test_an_upgrade_billed_by_an_invoice_that_staff_make_gives_the_difference_once(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        """https://docs.stripe.com/billing/subscriptions/prorations: what waits can be invoiced by hand."""
        subscription_id = subscribe(alice_client)
        update_at_stripe(subscription_id, ENTERPRISE, proration_behavior="create_prorations")
        run_jobs()
        assert allowances(alice) == [500]
        api = gateway.client().v1.invoices
        customer_id = Subscription.objects.get().customer_id
        draft = api.create(params={"customer": customer_id, "subscription": subscription_id, **WAITING})
        paid = api.pay(api.finalize_invoice(draft.id).id)
        assert (paid.status, paid.billing_reason) == ("paid", "manual")
        run_jobs()
        assert 4_990 <= sum(allowances(alice)) <= 5_000
        services.record_invoice(invoice_id=draft.id, now=clock.now())
        assert len(allowances(alice)) == 2

    def test_a_downgrade_with_credit_is_the_lower_plan_from_now_on(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs, travel: Travel
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        end = Subscription.objects.get().current_period_end
        update_at_stripe(subscription_id, PRO, proration_behavior="always_invoice")
        run_jobs()
        assert (tier(alice), allowances(alice)) == ("pro", [5000])
        assert store.get("customer", Subscription.objects.get().customer_id)["balance"] < 0
        travel(end + timedelta(hours=2))  # the balance pays for the renewal
        assert allowances(alice) == [5000, 500]

    def test_a_schedule_shows_as_the_pending_change_however_its_events_come(
        self, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client, "enterprise")
        schedule = gateway.create_schedule(subscription_id=subscription_id)
        run_jobs()
        assert view(alice_client)["pending_change"] is None
        current = schedule["phases"][0]
        phases = [
            {
                "items": [{"price": ENTERPRISE, "quantity": 1}],
                "start_date": current["start_date"],
                "end_date": current["end_date"],
            },
            {"items": [{"price": PRO, "quantity": 1}], "duration": {"interval": "month"}},
        ]
        gateway.update_schedule(schedule["id"], {"phases": phases, "end_behavior": "release"})
        run_jobs()
        assert view(alice_client)["pending_change"]["plan"] == "pro"
        gateway.release_schedule(schedule["id"])
        run_jobs()
        assert view(alice_client)["pending_change"] is None

    def test_an_end_now_is_free_from_now_on(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client)
        gateway.cancel_subscription(subscription_id)
        run_jobs()
        assert (tier(alice), view(alice_client)["plan"]) == ("free", "free")

    def test_an_end_on_a_day_of_their_choice_is_shown(
        self, alice_client: APIClient, subscribe: Subscribe, run_jobs: RunJobs
    ) -> None:
        subscription_id = subscribe(alice_client)
        end = store.timestamp(clock.now() + timedelta(days=9))
        gateway.update_subscription(subscription_id, {"cancel_at": end})
        run_jobs()
        shown = view(alice_client)
        assert shown["cancel_at"] == shown["access_ends_at"] == store.moment(end).isoformat().replace("+00:00", "Z")
        assert shown["cancel_at_period_end"] is False
        assert alice_client.post(f"{URL}/reactivate", {"subscription_id": subscription_id}).status_code == 200
        assert view(alice_client)["access_ends_at"] is None

    def test_a_lost_webhook_is_found_by_reconcile(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe
    ) -> None:
        subscription_id = subscribe(alice_client)
        update_at_stripe(subscription_id, ENTERPRISE, proration_behavior="always_invoice")
        ProcrastinateJob.objects.all().delete()
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        assert tier(alice) == "enterprise"
        assert 4_990 <= sum(allowances(alice)) <= 5_000


class TestSomethingElseOnAPlansInvoice:
    """https://docs.stripe.com/billing/invoices/subscription#adding-upcoming-invoice-items"""

    def test_leaves_the_renewals_what_they_are(
        self, alice: Any, onboarding: Callable[..., str], travel: Travel
    ) -> None:
        subscription_id = onboarding()
        for _ in range(2):
            travel(Subscription.objects.get().current_period_end + timedelta(hours=2))
        assert allowances(alice) == [500, 500, 500]
        first = PaidInvoice.objects.order_by("paid_at")[1]
        assert (first.paid_cents, first.period_end) == (7900, PaidInvoice.objects.order_by("paid_at")[2].period_start)
        lines = store.get("invoice", first.pk)["lines"]["data"]
        assert [line["parent"]["type"] for line in lines] == ["invoice_item_details", "subscription_item_details"]
        assert services.reconcile(now=clock.now()).remaining == 0
        assert tier(alice) == "pro"
        assert subscription_id == Subscription.objects.get().pk

    def test_gives_the_month_though_more_lines_stand_before_it_than_stripe_shows_at_once(
        self, alice: Any, onboarding: Callable[..., str], travel: Travel
    ) -> None:
        for _ in range(12):
            onboarding()
        travel(Subscription.objects.get().current_period_end + timedelta(hours=2))
        assert allowances(alice) == [500, 500]

    def test_does_not_stand_in_for_a_change_of_plan(
        self, alice: Any, alice_client: APIClient, onboarding: Callable[..., str], travel: Travel
    ) -> None:
        subscription_id = onboarding()
        travel(Subscription.objects.get().current_period_end + timedelta(hours=2))
        answer = change(alice_client, subscription_id, "enterprise")
        assert (answer.status_code, answer.json()["status"]) == (200, "done")
        assert 500 + 4_980 <= sum(allowances(alice)) <= 500 + 5_000

    def test_billed_by_itself_gives_nothing_and_breaks_nothing(
        self, alice: Any, onboarding: Callable[..., str], run_jobs: RunJobs
    ) -> None:
        subscription_id = onboarding(subscription=Subscription.objects.get().pk)
        api = gateway.client().v1.invoices
        customer_id = Subscription.objects.get().customer_id
        draft = api.create(params={"customer": customer_id, "subscription": subscription_id, **WAITING})
        api.pay(api.finalize_invoice(draft.id).id)
        run_jobs()
        assert services.reconcile(now=clock.now(), is_repair=True).remaining == 0
        recorded = PaidInvoice.objects.get(pk=draft.id)
        assert (recorded.paid_cents, recorded.period_end, recorded.allowance_credits) == (5000, None, 0)
        assert allowances(alice) == [500]


class TestAPriceOfNoPlan:
    def test_keeps_nobody_from_what_they_pay_for_afterwards(
        self, alice: Any, alice_client: APIClient, subscribe: Subscribe, travel: Travel
    ) -> None:
        subscription_id = subscribe(alice_client)
        values = {"currency": "usd", "unit_amount": 9900, "product": "prod_smartspec_pro"}
        unknown = gateway.create_price({**values, "recurring": {"interval": "month"}})["id"]
        for price in (unknown, PRO):
            update_at_stripe(subscription_id, price, proration_behavior="always_invoice")
        ProcrastinateJob.objects.all().delete()
        travel(Subscription.objects.get().current_period_end + timedelta(hours=2))
        assert allowances(alice) == [500, 500]
        found: list[tuple[str, str]] = []
        services.reconcile(
            now=clock.now(), is_repair=True, on_difference=lambda one, _: found.append((one.kind, one.object_id))
        )
        assert sorted(found) == sorted(
            ("paid_not_granted", invoice["id"])
            for invoice in store.find("invoice", subscription=subscription_id)
            if invoice["billing_reason"] == "subscription_update"
        )
