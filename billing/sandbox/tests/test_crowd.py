"""The crowd of a demonstration: people in every state, always the same, made by the product's own services.

https://docs.stripe.com/testing
"""

from io import StringIO

import pytest
from django.core.management import call_command

from billing import selectors
from billing.models import Dispute, Purchase, Refund, Subscription, Webhook
from billing.sandbox import crowd, seed
from credits.models import Account, DayTotal
from smartspec import clock
from smartspec.users.models import User

pytestmark = pytest.mark.django_db

EVERYBODY = 2 * len(crowd.SELDOM)


@pytest.fixture(autouse=True)
def stripe(db: None) -> None:
    seed.seed(clock.now(), "http://localhost:8000/api/webhooks/stripe")


class TestCrowd:
    def test_stands_in_every_state(self) -> None:
        said = StringIO()
        call_command("seed_crowd", users=EVERYBODY, stdout=said)
        assert f"{EVERYBODY} of {EVERYBODY}" in said.getvalue()
        assert set(Purchase.objects.values_list("state", flat=True)) == {
            *("open", "processing", "fulfilled", "needs_review", "expired", "failed")
        }
        assert set(Dispute.objects.values_list("status", flat=True)) >= {"needs_response", "won", "lost"}
        assert Refund.objects.filter(status="succeeded").count() == 2
        assert set(Subscription.objects.values_list("plan", flat=True)) == {"pro", "enterprise"}
        assert set(Subscription.objects.values_list("status", flat=True)) == {"active", "past_due"}
        assert Account.objects.filter(debt__gt=0).exists()
        assert Account.objects.exclude(frozen_causes=[]).count() >= 3

    @pytest.mark.parametrize(("number", "state"), [(crowd.GIVEN_UP, "dead"), (crowd.TRIED_AGAIN, "failed")])
    def test_has_two_whose_webhook_failed(self, number: int, state: str) -> None:
        crowd.gather(1, say=lambda done: None)
        webhook = Webhook.objects.get(user__email=crowd.email_of(number))
        assert selectors.with_state(Webhook.objects.all()).get(pk=webhook.pk).state == state
        assert Purchase.objects.get(user=webhook.user).state == "open"

    def test_is_always_the_same(self) -> None:
        assert crowd.gather(2, say=lambda done: None) == 4
        people = list(User.objects.order_by("email").values_list("email", "name"))
        assert crowd.gather(2, say=lambda done: None) == 0
        assert list(User.objects.order_by("email").values_list("email", "name")) == people

    def test_is_spread_over_a_month_and_counted(self) -> None:
        crowd.gather(12, say=lambda done: None)
        assert len({user.created_at.date() for user in User.objects.all()}) > 8
        assert DayTotal.objects.values("day_date").distinct().count() > 8
        assert Account.objects.filter(opened_at__gt=clock.now()).count() == 0

    def test_is_stopped_by_ctrl_c_in_a_sentence_and_leaves_nobody_half_made(self) -> None:
        def stop(done: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            crowd.gather(2, say=stop)
        assert crowd.is_there(2)
        assert crowd.gather(2, say=lambda done: None) == 2  # those whose webhooks failed
