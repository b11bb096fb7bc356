"""Support sees what a person sees: to read only, for 60 minutes, on record."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from smartspec import clock
from smartspec.testing import make_user
from smartspec.users import services
from smartspec.users.models import StaffAction, SupportView, User
from smartspec.users.services import Staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(db: None) -> User:
    """A member of staff whose role is Support."""
    user: User = make_user("agent@smartspec.test", is_staff=True)
    user.groups.add(Group.objects.get(name="Support"))
    return user


@pytest.fixture
def agents_browser(agent: User) -> Client:
    client = Client()
    client.force_login(agent)
    return client


def view(agent: User, whom: User) -> SupportView:
    staff = Staff(agent, reason=StaffAction._meta.get_field("reason").choices[0][0], note="ticket 1")  # type: ignore[index]
    return services.view_as(staff=staff, user=whom, now=clock.now())


class TestLooking:
    def test_shows_the_persons_pages_with_a_banner(self, agents_browser: Client, agent: User, alice: User) -> None:
        assert "alice@smartspec.test" not in agents_browser.get("/account").content.decode()
        view(agent, alice)
        for path in ("/account", "/account/transactions", "/account/plans", "/account/buy"):
            page = agents_browser.get(path).content.decode()
            assert "You see what alice@smartspec.test sees" in page
            assert "Stop looking" in page

    def test_is_written_down_with_its_reason(self, agent: User, alice: User) -> None:
        view(agent, alice)
        done = StaffAction.objects.get(action="view_as_person")
        assert (done.actor, done.whom, done.note) == (agent, alice, "ticket 1")

    @pytest.mark.parametrize(
        "path",
        [
            "/account/buy",
            "/account/plans",
            "/account/plans/cancel",
            "/account/portal",
            "/account/billing/cards/pm/remove",
        ],
    )
    def test_does_nothing_for_the_person(self, path: str, agents_browser: Client, agent: User, alice: User) -> None:
        view(agent, alice)
        answer = agents_browser.post(path, {"credits_amount": "100"})
        assert answer.status_code == 403
        assert "You are only looking" in answer.content.decode()

    def test_takes_no_file_along(self, agents_browser: Client, agent: User, alice: User) -> None:
        view(agent, alice)
        assert agents_browser.get("/account/transactions/export").status_code == 403

    def test_leaves_the_agents_own_account_alone(self, agents_browser: Client, agent: User, alice: User) -> None:
        view(agent, alice)
        assert "alice@smartspec.test" not in agents_browser.get("/accounts/email/").content.decode()
        agents_browser.post("/account/language", {"language": "th", "next": "/account"})
        alice.refresh_from_db()
        assert alice.language == "en"

    def test_ends_after_an_hour_by_click_and_with_the_right(
        self, agents_browser: Client, agent: User, alice: User
    ) -> None:
        def sees_alice() -> bool:
            return "alice@smartspec.test" in agents_browser.get("/account").content.decode()

        view(agent, alice)
        SupportView.objects.update(ends_at=clock.now() - timedelta(seconds=1))
        assert not sees_alice()
        view(agent, alice)
        answer = agents_browser.post("/account/viewing/end")
        assert str(alice.pk) in answer["Location"]
        assert not sees_alice()
        view(agent, alice)
        agent.groups.clear()
        assert not sees_alice()

    def test_ends_when_the_person_asks_to_be_forgotten(self, agent: User, alice: User, bob: User) -> None:
        view(agent, alice)
        services.request_erasure(user=bob, now=clock.now())
        assert SupportView.objects.exists()
        services.request_erasure(user=alice, now=clock.now())
        assert not SupportView.objects.exists()


class TestWhoMay:
    def test_are_staff_with_the_right_and_a_reason(self, alice: User, bob: User, agent: User) -> None:
        for staff in (Staff(bob, reason="x", note="x"), Staff(make_user("new@smartspec.test", is_staff=True))):
            with pytest.raises(services.NotPermitted):
                services.view_as(staff=staff, user=alice, now=clock.now())
        with pytest.raises(services.ReasonMissing):
            services.view_as(staff=Staff(agent), user=alice, now=clock.now())
        assert not SupportView.objects.exists()

    def test_never_look_at_a_colleague(self, agent: User) -> None:
        with pytest.raises(services.NotPermitted):
            view(agent, make_user("boss@smartspec.test", is_staff=True))

    def test_customers_see_themselves(self, alice: User, bob: User, client: Any) -> None:
        SupportView.objects.create(staff=bob, whom=alice, ends_at=clock.now() + timedelta(hours=1))
        client.force_login(bob)
        assert "alice@smartspec.test" not in client.get("/account").content.decode()
