from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from django.db import connection

from credits import periods, selectors, services, tasks
from credits.models import Entry, Grant, Plan
from credits.selectors import due
from credits.tests.conftest import Give, Place
from smartspec.users.models import User

DAY = timedelta(days=1)
Available = Callable[..., Decimal]


def at(*date: int) -> datetime:
    return datetime(*date, tzinfo=UTC)  # type: ignore[misc, arg-type]


def make_person(email: str, verified: bool = True) -> User:
    user = User.objects.create_user(email)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=verified)
    return user


class TestPeriod:
    @pytest.mark.parametrize(
        ("anchor", "moment", "start", "end"),
        [
            (at(2026, 1, 31), at(2026, 1, 31), at(2026, 1, 31), at(2026, 2, 28)),
            (at(2026, 1, 31), at(2026, 2, 27, 23), at(2026, 1, 31), at(2026, 2, 28)),
            (at(2026, 1, 31), at(2026, 2, 28), at(2026, 2, 28), at(2026, 3, 31)),
            (at(2026, 1, 31), at(2026, 3, 30), at(2026, 2, 28), at(2026, 3, 31)),
            (at(2026, 1, 31), at(2026, 4, 30), at(2026, 4, 30), at(2026, 5, 31)),
            (at(2027, 12, 31), at(2028, 2, 29), at(2028, 2, 29), at(2028, 3, 31)),
            (at(2026, 3, 10, 12), at(2026, 4, 10, 11), at(2026, 3, 10, 12), at(2026, 4, 10, 12)),
            (at(2026, 3, 10, 12), at(2026, 3, 1), at(2026, 2, 10, 12), at(2026, 3, 10, 12)),
            (at(2026, 12, 15), at(2027, 1, 20), at(2027, 1, 15), at(2027, 2, 15)),
        ],
    )
    def test_is_a_calendar_month_from_the_anchor_in_utc(
        self, db: None, anchor: datetime, moment: datetime, start: datetime, end: datetime
    ) -> None:
        assert periods.period_at(anchor, moment) == periods.Period(start, end)
        with connection.cursor() as cursor:
            cursor.execute("SELECT credits_period_start(%s, %s), credits_period_start(%s, %s, 1)", [anchor, moment] * 2)
            assert cursor.fetchone() == (start, end)

    def test_is_the_same_in_python_and_in_the_database(self, db: None) -> None:
        moments = [at(2026, 1, 1) + n * timedelta(days=7, hours=5) for n in range(200)]
        with connection.cursor() as cursor:
            for day in (28, 29, 30, 31):
                anchor = at(2026, 1, day, 13, 30)
                cursor.execute("SELECT credits_period_start(%s, m) FROM unnest(%s) m", [anchor, moments])
                found = [start for (start,) in cursor.fetchall()]
                assert found == [periods.period_at(anchor, moment).start_at for moment in moments]


class TestFree:
    def test_gives_ten_credits_that_end_with_the_period(
        self, account_id: UUID, now: datetime, available: Available
    ) -> None:
        (granted,) = services.give_allowances(account_id=account_id, now=now)
        assert granted.grant.source == "allowance:free:2026-03-10T12:00:00Z"
        assert granted.grant.expires_at == at(2026, 4, 10, 12)
        assert available() == 10
        assert available(at(2026, 4, 10, 12)) == 0

    def test_gives_no_month_before_the_account_began(
        self, account_id: UUID, give: Give, now: datetime, available: Available
    ) -> None:
        """Whoever looks at every account has read the clock before; this one was opened since, by somebody else."""
        give(1)
        (granted,) = services.give_allowances(account_id=account_id, now=now - timedelta(milliseconds=1))
        assert granted.grant.source == "allowance:free:2026-03-10T12:00:00Z"
        assert services.give_allowances(account_id=account_id, now=now) == []
        assert available() == 11

    def test_gives_each_period_once(self, account_id: UUID, now: datetime, available: Available) -> None:
        services.give_allowances(account_id=account_id, now=now)
        assert services.give_allowances(account_id=account_id, now=now + DAY) == []
        assert len(services.give_allowances(account_id=account_id, now=at(2026, 4, 10, 12))) == 1
        assert available(at(2026, 4, 10, 12)) == 10

    def test_never_gives_what_was_missed(self, account_id: UUID, now: datetime, available: Available) -> None:
        services.give_allowances(account_id=account_id, now=now)
        assert len(services.give_allowances(account_id=account_id, now=at(2026, 8, 1))) == 1
        assert available(at(2026, 8, 1)) == 10

    def test_needs_a_verified_address(self, db: None, now: datetime) -> None:
        person = make_person("carol@example.com", verified=False)
        assert services.give_allowances(account_id=person.pk, now=now) == []
        EmailAddress.objects.filter(user=person).update(verified=True)
        assert len(services.give_allowances(account_id=person.pk, now=now)) == 1

    def test_comes_at_the_moment_of_verification(self, db: None) -> None:
        person = make_person("carol@example.com", verified=False)
        address = EmailAddress.objects.get(user=person)
        address.set_verified()
        email_confirmed.send(sender=EmailAddress, request=None, email_address=address)
        assert Grant.objects.filter(account_id=person.pk).count() == 1

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("carol@example.com", "carol+more@example.com"),
            ("carol.smith@gmail.com", "carolsmith@googlemail.com"),
        ],
    )
    def test_gives_one_address_one_allowance(self, db: None, now: datetime, one: str, other: str) -> None:
        first, second = make_person(one), make_person(other)
        assert len(services.give_allowances(account_id=first.pk, now=now)) == 1
        assert services.give_allowances(account_id=second.pk, now=now + DAY) == []
        later = at(2026, 4, 10, 12)
        assert services.give_allowances(account_id=second.pk, now=later) == []
        assert len(services.give_allowances(account_id=first.pk, now=later)) == 1

    def test_passes_on_when_the_first_account_takes_it_no_more(self, db: None, now: datetime) -> None:
        first, second = make_person("carol@example.com"), make_person("carol+more@example.com")
        services.give_allowances(account_id=first.pk, now=now)
        assert len(services.give_allowances(account_id=second.pk, now=at(2026, 4, 13))) == 1

    def test_is_not_given_while_a_subscription_is_not_ended(self, account_id: UUID, now: datetime) -> None:
        services.set_plan(account_id=account_id, plan="free", anchor_at=now, paid_until=None, source="sub_1", now=now)
        assert services.give_allowances(account_id=account_id, now=now) == []

    def test_does_not_come_again_by_subscribing_and_ending_it(
        self, account_id: UUID, now: datetime, available: Available
    ) -> None:
        services.give_allowances(account_id=account_id, now=now)
        for source in ("sub_1", "free", "sub_2", "free"):
            now += DAY
            plan = "free" if source == "free" else "pro"
            services.set_plan(account_id=account_id, plan=plan, anchor_at=now, paid_until=None, source=source, now=now)
            services.give_allowances(account_id=account_id, now=now)
        assert available(now) == 10

    @pytest.mark.parametrize("sources", [("free",), ("sub_1", "free")], ids=["told again", "back from a plan"])
    def test_counts_its_months_from_where_the_account_began(
        self, account_id: UUID, now: datetime, available: Available, sources: tuple[str, ...]
    ) -> None:
        services.give_allowances(account_id=account_id, now=now)
        came_at = now - 20 * DAY
        for source in sources:
            plan = "free" if source == "free" else "pro"
            state: dict[str, Any] = {"plan": plan, "anchor_at": came_at, "paid_until": None, "source": source}
            services.set_plan(account_id=account_id, now=now + DAY, **state)
        assert services.give_allowances(account_id=account_id, now=now + DAY) == []
        balance = selectors.get_balance(account_id=account_id, now=at(2026, 4, 9))
        assert (balance.next_allowance_at, balance.expires_soon) == (at(2026, 4, 10, 12), ())
        (granted,) = services.give_allowances(account_id=account_id, now=at(2026, 4, 10, 12))
        assert granted.grant.expires_at == at(2026, 5, 10, 12)


class TestPaid:
    @pytest.fixture
    def subscribe(self, account_id: UUID, now: datetime) -> Callable[..., list[services.Granted]]:
        def run(paid_until: datetime | None, at: datetime = now, **changes: Any) -> list[services.Granted]:
            state: dict[str, Any] = {"plan": "pro", "anchor_at": now, "source": "sub_1"} | changes
            services.set_plan(account_id=account_id, paid_until=paid_until, now=at, **state)
            return services.give_allowances(account_id=account_id, now=at)

        return run

    def test_is_given_at_once_and_waits_72_hours_for_the_renewal(
        self, account_id: UUID, subscribe: Any, now: datetime, available: Available
    ) -> None:
        (granted,) = subscribe(at(2026, 4, 10, 12))
        assert granted.grant.source == "allowance:sub_1:2026-03-10T12:00:00Z"
        assert granted.grant.expires_at == at(2026, 4, 13, 12)
        assert available() == 500
        assert available(at(2026, 4, 12)) == 500
        assert available(at(2026, 4, 13, 12)) == 0

    def test_ends_when_the_next_is_given(
        self, account_id: UUID, subscribe: Any, place: Place, now: datetime, available: Available
    ) -> None:
        subscribe(at(2026, 4, 10, 12))
        services.capture_hold(hold_id=place(100).id, now=now)
        renewed_at = at(2026, 4, 10, 13)
        assert len(subscribe(at(2026, 5, 10, 12), at=renewed_at)) == 1
        assert available(renewed_at) == 500
        assert Entry.objects.get(entry_type="expiry").delta_credits == -400

    def test_leaves_bought_credits_alone(
        self, account_id: UUID, subscribe: Any, give: Give, now: datetime, available: Available
    ) -> None:
        give(100, kind="purchase")
        give(5)
        subscribe(at(2026, 4, 10, 12))
        subscribe(at(2026, 5, 10, 12), at=at(2026, 4, 10, 13))
        assert available(at(2026, 4, 10, 13)) == 605

    def test_is_not_given_in_a_trial(self, account_id: UUID, subscribe: Any, now: datetime) -> None:
        assert subscribe(None) == []
        assert selectors.get_plan_state(account_id=account_id, now=now).plan == "pro"
        assert selectors.get_plan_state(account_id=account_id, now=now).next_allowance_at is None

    def test_comes_month_by_month_inside_a_paid_year(
        self, account_id: UUID, subscribe: Any, now: datetime, available: Available
    ) -> None:
        subscribe(at(2027, 3, 10, 12))
        moment = now
        while moment < at(2027, 6, 1):
            moment += DAY
            services.give_due_allowances(now=moment)
        assert Grant.objects.filter(account_id=account_id, kind="subscription").count() == 12
        assert available(at(2027, 3, 13, 12)) == 0  # the year is over and nobody paid for another

    def test_goes_31_january_28_february_31_march(self, account_id: UUID, subscribe: Any) -> None:
        start = at(2026, 1, 31, 9)
        subscribe(at(2026, 4, 30, 9), at=start, anchor_at=start)
        for moment in (at(2026, 2, 28, 9), at(2026, 3, 31, 9)):
            assert services.give_allowances(account_id=account_id, now=moment - timedelta(seconds=1)) == []
            assert len(services.give_allowances(account_id=account_id, now=moment)) == 1
        assert services.give_allowances(account_id=account_id, now=at(2026, 4, 30, 9)) == []

    def test_one_that_we_learn_of_after_its_end_lives_one_periods_length(
        self, account_id: UUID, subscribe: Any, now: datetime, available: Available
    ) -> None:
        learned_at = at(2026, 4, 20)
        late, present = subscribe(at(2026, 5, 10, 12), at=learned_at)
        assert late.grant.expires_at == learned_at + 31 * DAY
        assert present.grant.expires_at == at(2026, 5, 13, 12)
        assert available(learned_at) == 1000

    def test_skips_a_gap_that_nobody_paid_for(self, account_id: UUID, subscribe: Any, now: datetime) -> None:
        subscribe(at(2026, 4, 10, 12))
        resumed_at = at(2026, 6, 10, 12)
        given = subscribe(at(2026, 7, 10, 12), at=resumed_at, paid_from=resumed_at)
        assert [granted.grant.source for granted in given] == ["allowance:sub_1:2026-06-10T12:00:00Z"]

    def test_ends_at_once_with_the_subscription(
        self, account_id: UUID, subscribe: Any, now: datetime, available: Available
    ) -> None:
        services.give_allowances(account_id=account_id, now=now)
        subscribe(at(2026, 4, 10, 12))
        services.grant(
            account_id=account_id,
            kind="subscription",
            credits=Decimal(100),
            source="upgrade:in_1",
            expires_at=at(2026, 4, 10, 12),
            now=now,
        )
        assert available() == 610
        ended_at = now + DAY
        subscribe(None, at=ended_at, plan="free", source="free", anchor_at=ended_at)
        assert available(ended_at) == 10

    def test_ends_at_once_when_the_renewal_failed(
        self, account_id: UUID, subscribe: Any, now: datetime, available: Available
    ) -> None:
        subscribe(at(2026, 4, 10, 12))
        services.end_grace(account_id=account_id, source="sub_1", now=now + DAY)
        assert available(now + DAY) == 500
        failed_at = at(2026, 4, 11)
        services.end_grace(account_id=account_id, source="sub_1", now=failed_at)
        assert available(failed_at) == 0

    def test_ends_when_we_hear_that_the_renewal_failed_and_not_before(
        self, account_id: UUID, subscribe: Any, now: datetime
    ) -> None:
        begun_at, closes_at, heard_at = at(2025, 12, 31, 20), at(2026, 1, 31, 23), at(2026, 2, 1, 2)
        subscribe(at(2026, 1, 31, 20), at=begun_at, anchor_at=begun_at)
        services.end_grace(account_id=account_id, source="sub_1", now=heard_at)
        assert selectors.balance_at(account_id=account_id, at=closes_at) == 500
        assert selectors.balance_at(account_id=account_id, at=heard_at) == 0

    def test_that_we_learned_of_late_lives_as_long_as_was_promised(
        self, account_id: UUID, subscribe: Any, available: Available
    ) -> None:
        learned_at, renewed_at = at(2026, 5, 3, 12), at(2026, 6, 1, 1)
        april, _ = subscribe(at(2026, 6, 1), at=learned_at, anchor_at=at(2026, 4, 1))
        promised_until = at(2026, 6, 2, 12)
        assert april.grant.expires_at == promised_until
        subscribe(at(2026, 7, 1), at=renewed_at, anchor_at=at(2026, 4, 1))
        assert available(renewed_at) == 1000
        services.end_grace(account_id=account_id, source="sub_1", now=at(2026, 6, 2))
        assert available(at(2026, 6, 2)) == 1000
        assert available(promised_until) == 500

    def test_keeps_its_anchor_and_its_lot_when_the_plan_changes(
        self, account_id: UUID, subscribe: Any, now: datetime, available: Available
    ) -> None:
        subscribe(at(2026, 4, 10, 12))
        assert subscribe(at(2026, 4, 10, 12), at=now + DAY, plan="enterprise") == []
        assert available(now + DAY) == 500

    def test_is_given_by_the_hourly_task_and_by_no_one_twice(
        self, account_id: UUID, subscribe: Any, now: datetime
    ) -> None:
        subscribe(at(2027, 3, 10, 12))
        tasks.give_due_allowances.func(timestamp=0)
        tasks.give_due_allowances.func(timestamp=0)
        sources = Grant.objects.filter(account_id=account_id).values_list("source", flat=True)
        assert len(sources) == len(set(sources))


class TestPlanState:
    def test_of_an_account_that_nothing_has_touched_is_free_since_its_person_came(
        self, account_id: UUID, now: datetime
    ) -> None:
        User.objects.filter(pk=account_id).update(created_at=at(2026, 1, 31))
        for moment in (now, now + DAY):
            state = selectors.get_plan_state(account_id=account_id, now=moment)
            balance = selectors.get_balance(account_id=account_id, now=moment)
            assert (state.plan, state.source, state.anchor_at) == ("free", "free", at(2026, 1, 31))
            assert (state.period_start, state.period_end) == (at(2026, 2, 28), at(2026, 3, 31))
            assert (balance.period_start, balance.period_end) == (at(2026, 2, 28), at(2026, 3, 31))
            assert state.next_allowance_at is balance.next_allowance_at is None

    def test_knows_where_the_account_is_in_its_month(self, account_id: UUID, now: datetime) -> None:
        services.set_plan(
            account_id=account_id,
            plan="pro",
            anchor_at=at(2026, 1, 31),
            paid_until=at(2027, 1, 31),
            source="sub_1",
            now=now,
        )
        state = selectors.get_plan_state(account_id=account_id, now=now)
        assert (state.period_start, state.period_end) == (at(2026, 2, 28), at(2026, 3, 31))
        assert state.next_allowance_at == at(2026, 3, 31)

    def test_ends_its_month_with_the_new_anchors_when_both_begin_alike(self, account_id: UUID) -> None:
        march = at(2026, 3, 1)
        for anchor_at, end_at in (
            (at(2026, 1, 31, 12), at(2026, 3, 31, 12)),
            (at(2026, 2, 28, 12), at(2026, 3, 28, 12)),
        ):
            services.set_plan(
                account_id=account_id, plan="pro", anchor_at=anchor_at, paid_until=None, source="sub_1", now=march
            )
            assert selectors.get_plan_state(account_id=account_id, now=march).period_end == end_at
            assert selectors.get_balance(account_id=account_id, now=march).period_end == end_at

    def test_counts_usage_from_the_new_period_when_the_anchor_moves(
        self, account_id: UUID, give: Give, place: Place, now: datetime
    ) -> None:
        give(100)
        early = place(3)
        services.capture_hold(hold_id=early.id, now=now)
        later = now + 5 * DAY
        late = place(4, now=later)
        services.capture_hold(hold_id=late.id, now=later)
        services.refund_capture(hold_id=late.id, credits=Decimal(1), reason="", now=later)
        services.set_plan(
            account_id=account_id, plan="pro", anchor_at=now + 2 * DAY, paid_until=None, source="sub_1", now=later
        )
        assert selectors.get_balance(account_id=account_id, now=later).used == 3


class TestEveryHour:
    def test_goes_past_who_can_be_given_nothing(
        self, db: None, account_id: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(due, "PAGE_ROWS", 2)
        confirmed = [account_id, *(make_person(f"{n}@example.com").pk for n in range(4))]
        for person in (*confirmed, *(make_person(f"not-{n}@example.com", verified=False).pk for n in range(4))):
            services.thaw(account_id=person, cause="none", now=now)  # opens the account
        assert list(selectors.iterate_accounts_with_due_allowance(now=now)) == sorted(confirmed)
        assert services.give_due_allowances(now=now) == 5
        assert list(selectors.iterate_accounts_with_due_allowance(now=now)) == []

    def test_does_not_try_a_plan_that_gives_nothing(self, account_id: UUID, now: datetime) -> None:
        services.thaw(account_id=account_id, cause="none", now=now)
        Plan.objects.filter(slug="free").update(monthly_credits=0)
        assert list(selectors.iterate_accounts_with_due_allowance(now=now)) == []

    def test_opens_the_account_of_who_confirmed_when_nobody_noticed(self, db: None, now: datetime) -> None:
        person = make_person("carol@example.com")
        assert selectors.find_open_account(account_id=person.pk) is None
        assert services.give_due_allowances(now=now) == 1
        assert selectors.get_balance(account_id=person.pk, now=now).available == 10

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(
        ("sweep", "entry_type"), [(services.give_due_allowances, "subscription"), (services.expire, "expiry")]
    )
    def test_leaves_out_an_account_in_which_it_fails(
        self, now: datetime, sweep: Callable[..., Any], entry_type: str
    ) -> None:
        people = sorted(make_person(f"{n}@example.com").pk for n in range(3))
        later = at(2026, 5, 1)
        services.give_due_allowances(now=now)
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$;"
                f"CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON credits_grant FOR EACH ROW"
                f" WHEN (new.account_id = '{people[0]}') EXECUTE FUNCTION fail()"
            )
        with pytest.raises(services.AccountsFailed, match="failed in 1 account"):
            sweep(now=later)
        entries = Entry.objects.filter(entry_type=entry_type, created_at__gt=now)
        assert sorted(entries.values_list("account_id", flat=True)) == people[1:]
