"""Work for every periodic task: what it finds to do, and how it is told that this was done, and done once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.core.mail import EmailMessage
from django.db import connection
from django.utils.formats import date_format
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from billing import gateway, stripe_data
from billing import services as billing_services
from billing.models import Clawback, PaidInvoice, Purchase, Subscription, WebhookRefusal
from billing.sandbox import store
from billing.sandbox.services import acting, checkout
from billing.services import scheduling
from billing.tests.conftest import GOOD_CARD, open_credits, open_plan, pay
from billing.tests.test_races import leave_two_killed
from credits import catalogue
from credits import services as credits_services
from credits.models import DayTotal, Entry, Hold, Plan
from media import services as media_services
from media.models import Asset, StorageAccount, StorageEvent
from media.services import arrears
from media.storage import get_r2_client
from media.tests.conftest import lay
from smartspec import clock
from smartspec.models import JobFailure
from smartspec.testing import SetClock, make_client, make_user
from smartspec.users import keys
from smartspec.users import services as users_services
from smartspec.users.models import ApiKey, RateCount, SentMail, WaitingMail
from smartspec.watching.models import Proof

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FILE = b"\x89PNG\r\n\x1a\n" + b"\0" * 10_000_000


@dataclass(frozen=True)
class Work:
    """What `tell` says before the task has run, and from then on, however many ran it."""

    tell: Callable[[], Any]
    undone: Any
    done: Any


@dataclass
class World:
    """Where work is left: people of its own for each task, the clock, and what was mailed and logged."""

    set_clock: SetClock
    mailoutbox: list[EmailMessage]
    logged: Callable[[str], list[dict[str, Any]]]
    now: datetime = field(default_factory=clock.now)

    def person(self, name: str, *, is_verified: bool = True) -> tuple[Any, APIClient]:
        user = make_user(f"{name}@smartspec.test", name=name.title(), is_verified=is_verified)
        return user, make_client(user)

    def mails_to(self, address: str) -> list[str]:
        return [str(mail.subject) for mail in self.mailoutbox if mail.to == [address]]

    @contextmanager
    def at(self, moment: datetime) -> Iterator[datetime]:
        """Let it be another time."""
        self.set_clock(moment)
        yield moment
        self.set_clock(self.now)


WORK: dict[str, Callable[[World], Work]] = {}


def of(task: str) -> Callable[[Callable[[World], Work]], Callable[[World], Work]]:
    """Name the task that has this to do. They run in the order of this file: none finds its own done by another."""

    def keep(leave: Callable[[World], Work]) -> Callable[[World], Work]:
        WORK[task] = leave
        return leave

    return keep


# --- The queue, and Stripe's own time -----------------------------------------------------------------------------


@of("smartspec.tasks.rescue_stalled_jobs")
def two_killed_jobs(world: World) -> Work:
    leave_two_killed()
    left = ProcrastinateJob.objects.filter(queue_name="waits").order_by("id")
    return Work(
        lambda: list(left.values_list("task_name", "status", "attempts")),
        undone=[
            ("credits.tasks.expire_due", "doing", 0),
            ("credits.tasks.expire_due", "todo", 0),
            ("billing.tasks.apply_event", "doing", 0),
        ],
        done=[("credits.tasks.expire_due", "todo", 0), ("billing.tasks.apply_event", "todo", 1)],
    )


@of("smartspec.tasks.clear_old")
def an_old_failure(world: World) -> Work:
    JobFailure.objects.create(job_id=1, error="…", traceback="…", attempts=1, failed_at=world.now - 31 * DAY)
    return Work(JobFailure.objects.count, undone=1, done=0)


@of("billing.sandbox.tasks.pass_time")
def a_session_that_nobody_paid(world: World) -> Work:
    _, client = world.person("hesitant")
    with world.at(world.now - 25 * HOUR):
        session_id = open_credits(client)

    def tell() -> tuple[str, int]:
        told = [event for event in store.find("event") if event["data"]["object"].get("id") == session_id]
        return str(store.get("checkout.session", session_id)["status"]), len(told)

    return Work(tell, undone=("open", 0), done=("expired", 1))


# --- Credits ------------------------------------------------------------------------------------------------------


def entries(user: Any, *entry_types: str) -> list[str]:
    """Return what was booked, oldest first, by what it is about."""
    booked = Entry.objects.filter(account_id=user.pk, entry_type__in=entry_types).order_by("number")
    return list(booked.values_list("reference_id", flat=True))


def give(user: Any, credits: int, *, at: datetime, expires_at: datetime | None = None, kind: str = "bonus") -> None:
    credits_services.grant(
        account_id=user.pk, kind=kind, credits=Decimal(credits), source=str(uuid4()), expires_at=expires_at, now=at
    )


@of("credits.tasks.expire_due")
def a_lot_and_a_hold_that_end(world: World) -> Work:
    user, _ = world.person("late", is_verified=False)
    give(user, 100, at=world.now - 3 * DAY)
    credits_services.place_hold(
        account_id=user.pk,
        operation="image_generation",
        reference_id="job",
        idempotency_key="job",
        now=world.now - 2 * DAY,
    )
    give(user, 50, at=world.now - 2 * DAY, expires_at=world.now - DAY)
    return Work(
        lambda: (len(entries(user, "expiry")), Hold.objects.get(account_id=user.pk).status),
        undone=(0, "open"),
        done=(1, "expired"),
    )


@of("credits.tasks.count_days")
def a_day_to_count(world: World) -> Work:
    user, _ = world.person("counted", is_verified=False)
    give(user, 7, at=world.now, kind="refund")  # nobody else is given anything of this kind
    totals = DayTotal.objects.filter(day_date=world.now.date(), kind="entries", name="refund")
    return Work(lambda: [(total.count, int(total.credits)) for total in totals.all()], undone=[], done=[(1, 7)])


@of("credits.tasks.warn")
def credits_that_end_soon(world: World) -> Work:
    user, _ = world.person("forgetful", is_verified=False)
    give(user, 100, at=world.now - DAY, expires_at=world.now + 3 * DAY)
    return Work(lambda: len(world.mails_to(user.email)), undone=0, done=1)


@of("credits.tasks.prove_ledger")
def books_to_prove(world: World) -> Work:
    proofs = Proof.objects.filter(pk="ledger_verified")
    return Work(lambda: [proof.holds for proof in proofs.all()], undone=[], done=[True])


# --- Money --------------------------------------------------------------------------------------------------------


@of("billing.tasks.compare_prices")
def a_price_that_is_not_stripes(world: World) -> Work:
    Plan.objects.filter(slug="enterprise").update(price_yearly_cents=1)
    catalogue.forget()
    told = lambda: {line["difference"] for line in world.logged("Price differs from the plan's")}  # noqa: E731
    return Work(lambda: len(told()), undone=0, done=1)


@of("billing.tasks.clear_old")
def an_old_count(world: World) -> Work:
    WebhookRefusal.objects.create(minute_at=world.now - 60 * DAY, cause="stale", count=1)
    return Work(WebhookRefusal.objects.count, undone=1, done=0)


@of("billing.tasks.settle_later_allowances")
def a_month_of_half_a_year(world: World) -> Work:
    """The year was paid 35 days ago, half of it went back the next day, and the second month was given since."""
    user, client = world.person("halved")
    with world.at(world.now - 35 * DAY) as paid_at:
        subscribe(client, "yearly", now=paid_at)
        invoice = PaidInvoice.objects.get(subscription__user=user)
        (intent_id,) = stripe_data.invoice_payment_intent_ids(gateway.retrieve_invoice(invoice.pk))
        acting.refund(intent_id, amount_cents=invoice.paid_cents // 2, now=paid_at)
        charge_id = store.get("payment_intent", intent_id)["latest_charge"]
        billing_services.settle_refunds_of_charge(charge_id=charge_id, now=paid_at)
    credits_services.give_allowances(account_id=user.pk, now=world.now)
    return Work(lambda: Clawback.objects.filter(refund__user=user).count(), undone=1, done=2)


@of("billing.tasks.put_back_changes")
def a_cancellation_that_gave_way_to_nothing(world: World) -> Work:
    """Its process died before the change to a lower plan was scheduled."""
    user, client = world.person("resolved")
    subscribe(client, "yearly", now=world.now)
    subscription = Subscription.objects.get(user=user)
    scheduling.displace(subscription, ends_at=subscription.current_period_end)
    return Work(
        lambda: store.get("subscription", subscription.pk)["cancel_at_period_end"],
        undone=False,
        done=True,
    )


@of("billing.tasks.warn_of_expiring_cards")
def a_card_that_ends(world: World) -> Work:
    user, client = world.person("carded")
    with world.at(world.now - 25 * DAY) as paid_at:
        subscribe(client, "monthly", now=paid_at, expiry=f"{paid_at:%m / %y}")
    before = len(world.mails_to(user.email))
    return Work(lambda: len(world.mails_to(user.email)) - before, undone=0, done=1)


@of("billing.tasks.reconcile")
def a_payment_that_nobody_heard_of(world: World) -> Work:
    user, client = world.person("payer", is_verified=False)
    pay(open_credits(client))
    return Work(
        lambda: (Purchase.objects.get(user=user).state, len(entries(user, "purchase", "bonus"))),
        undone=("open", 0),
        done=("fulfilled", 2),
    )


def subscribe(client: APIClient, interval: str, *, now: datetime, expiry: str = "12 / 34") -> None:
    session_id = open_plan(client, "pro", interval)
    card = checkout.CardFields(
        number=GOOD_CARD, expiry=expiry, cvc="123", name="A", email="a@smartspec.test", postal_code="10115"
    )
    assert checkout.pay_with_card(session_id=session_id, card=card, now=now).status == "complete"
    billing_services.settle_session(session_id=session_id, now=now)


# --- Files --------------------------------------------------------------------------------------------------------


def upload(user: Any, *, at: datetime) -> Asset:
    announced = media_services.create_upload(
        user_id=user.pk, filename="a.png", content_type="image/png", size_bytes=len(FILE), kind="image", now=at
    )
    lay(announced.asset.key, FILE)
    return media_services.complete_upload(asset_id=str(announced.asset.pk), now=at)


def midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), tzinfo=UTC)


def owe(world: World, name: str, *, days: int, is_active: bool = True) -> Any:
    """Return somebody who has owed for a file for so many days, and was warned then."""
    user, _ = world.person(name, is_verified=False)
    since = world.now - days * DAY
    upload(user, at=since - 3 * DAY)
    user.is_active = is_active
    user.save()
    media_services.bill_storage(now=since)
    assert StorageAccount.objects.get(pk=user.pk).step == "warned"
    return user


def steps(user: Any) -> list[str]:
    return list(StorageEvent.objects.filter(user=user).order_by("happened_at", "pk").values_list("kind", flat=True))


@of("media.tasks.delete_unpaid")
def files_to_delete(world: World) -> Work:
    user = owe(world, "hopeless", days=61)
    arrears.climb(user_id=user.pk, now=world.now)
    asset = Asset.objects.get(user=user)
    return Work(
        lambda: (
            get_r2_client().file_exists(asset.key),
            Asset.objects.get(pk=asset.pk).status,
            StorageAccount.objects.get(pk=user.pk).used_bytes,
        ),
        undone=(True, "stored", len(FILE)),
        done=(False, "deleted", 0),
    )


@of("media.tasks.climb_ladder")
def a_step_to_take(world: World) -> Work:
    user = owe(world, "owing", days=8)
    return Work(
        lambda: (steps(user), len(world.mails_to(user.email))),
        undone=(["warned"], 1),
        done=(["warned", "uploads_stopped"], 2),
    )


@of("media.tasks.remind_unpaid")
def somebody_who_is_back(world: World) -> Work:
    user = owe(world, "returned", days=1, is_active=False)
    user.is_active = True
    user.save()
    return Work(lambda: (steps(user), len(world.mails_to(user.email))), undone=(["warned"], 0), done=(["warned"], 1))


@of("media.tasks.collect_arrears")
def somebody_who_can_pay_again(world: World) -> Work:
    user = owe(world, "solvent", days=1)
    give(user, 1, at=world.now)

    def tell() -> tuple[int, list[str]]:
        return sum(about.startswith("arrears:") for about in entries(user, "usage")), steps(user)

    return Work(tell, undone=(0, ["warned"]), done=(1, ["warned", "paid"]))


@of("media.tasks.bill_storage")
def days_to_bill(world: World) -> Work:
    user, _ = world.person("stored", is_verified=False)
    first = midnight(world.now) - 3 * DAY
    give(user, 1, at=first)
    upload(user, at=first)
    days = [f"{first + number * DAY:%Y-%m-%d}" for number in range(3)]
    return Work(lambda: entries(user, "usage"), undone=[], done=days)


@of("media.tasks.sweep")
def an_upload_that_never_came(world: World) -> Work:
    user, _ = world.person("undecided", is_verified=False)
    media_services.create_upload(
        user_id=user.pk,
        filename="a.png",
        content_type="image/png",
        size_bytes=len(FILE),
        kind="image",
        now=world.now - 2 * DAY,
    )
    return Work(
        lambda: (Asset.objects.get(user=user).status, StorageAccount.objects.get(pk=user.pk).used_bytes),
        undone=("uploading", len(FILE)),
        done=("expired", 0),
    )


@of("media.tasks.reconcile")
def a_file_of_nobodys_and_one_that_is_gone(world: World) -> Work:
    user, _ = world.person("robbed", is_verified=False)
    asset = upload(user, at=world.now - DAY)
    get_r2_client().delete_file(asset.key)
    nobodys = f"generations/{uuid4()}/{uuid4()}.png"
    lay(nobodys, FILE[:100])
    return Work(
        lambda: (
            get_r2_client().file_exists(nobodys),
            Asset.objects.get(pk=asset.pk).status,
            StorageAccount.objects.get(pk=user.pk).stored_bytes,
        ),
        undone=(True, "stored", len(FILE)),
        done=(False, "deleted", 0),
    )


# --- People -------------------------------------------------------------------------------------------------------


@of("smartspec.users.tasks.clear_expired")
def an_expired_count(world: World) -> Work:
    RateCount.objects.create(key="old", window_number=1, calls=1, expires_at=world.now - DAY)
    return Work(RateCount.objects.filter(key="old").count, undone=1, done=0)


@of("smartspec.users.tasks.warn_of_ending_keys")
def a_key_that_ends_in_six_days(world: World) -> Work:
    user, _ = world.person("key-holder", is_verified=False)
    new = keys.make_key(keys.USER_KIND)
    ApiKey.objects.create(
        user=user,
        name="Render farm",
        prefix=new.prefix,
        digest=new.digest,
        scopes=[keys.READ],
        created_at=world.now - 60 * DAY,
        expires_at=world.now + 6 * DAY,
    )
    ends_on = date_format(world.now + 6 * DAY)
    return Work(lambda: world.mails_to(user.email), undone=[], done=[f"Your API key “Render farm” ends on {ends_on}"])


@of("smartspec.users.tasks.hand_over_waiting_mail")
def a_mail_that_waits(world: World) -> Work:
    user, _ = world.person("waiting", is_verified=False)
    sent = SentMail.objects.create(user=user, template="welcome", cause="1", sent_at=world.now - HOUR)
    WaitingMail.objects.create(sent=sent, subject="Late", text="…", html="…", written_at=world.now - HOUR)
    return Work(lambda: world.mails_to(user.email), undone=[], done=["Late"])


@of("smartspec.users.tasks.look_after_erasures")
def an_erasure_whose_job_was_lost(world: World) -> Work:
    """It may be asked for twice, but never by two jobs that run at the same time."""
    user, _ = world.person("gone", is_verified=False)
    users_services.request_erasure(user=user, now=world.now - DAY)
    jobs = ProcrastinateJob.objects.filter(task_name="smartspec.users.tasks.erase")
    jobs._raw_delete("default")
    return Work(lambda: set(jobs.values_list("lock", flat=True)), undone=set(), done={f"erase:{user.pk}"})


# --- Last: it looks at all of that --------------------------------------------------------------------------------


@of("credits.tasks.give_due_allowances")
def somebody_without_the_months_credits(world: World) -> Work:
    user, _ = world.person("newcomer")
    return Work(lambda: len(entries(user, "subscription")), undone=0, done=1)


@of("smartspec.watching.tasks.alert")
def something_that_is_broken(world: World) -> Work:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('x', 'x', 'failed')")
    return Work(lambda: len(world.mails_to("ops@smartspec.test")), undone=0, done=1)
