"""A crowd for demonstrations: people in every state that support staff meet, always the same ones.

They buy by the product's own services and pay at the sandbox; webhooks are signed, delivered and worked on.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from billing import gateway, services
from billing.models import Purchase, Webhook
from billing.sandbox import cards, delivery, store
from billing.sandbox.models import Delivery
from billing.sandbox.services import acting, checkout, timekeeping
from billing.sandbox.services.deliveries import sign
from billing.sandbox.year import stage
from credits import services as credits_services
from smartspec import clock, jobs
from smartspec.users.models import User

BATCH = 25
# The two whose webhooks failed: one was given up, one is tried again after a while.
GIVEN_UP, TRIED_AGAIN = 0, 100_001
TRIED_AGAIN_AFTER = timedelta(hours=1)
# A month and its renewal, whose invoice is a draft for an hour and then meets a card that fails.
A_RENEWAL = timedelta(days=31, hours=3)
A_PAUSE = timedelta(hours=3)
COUNTED_DAYS = 31
FIRST_NAMES = ("Ada", "Ben", "Chai", "Dara", "Emil", "Fah", "Greta", "Hugo", "Ines", "Jonas", "Kanya", "Lena", "Mali")
LAST_NAMES = ("Adler", "Berg", "Chan", "Diaz", "Ekberg", "Frey", "Gupta", "Haas", "Ito", "Jansen", "Klein")


@dataclass
class Member:
    """One of the crowd, and the queue that works for them; none where the product's own worker does."""

    user: User
    queue: stage.Queue | None

    def work(self) -> None:
        if self.queue is not None:
            self.queue.run()

    def open(self, credits: int = 100) -> str:
        opened = services.open_credits_checkout(user=self.user, credits_amount=credits, now=clock.now())
        return opened.session_id

    def buy(self, credits: int = 100) -> Purchase:
        session_id = self.open(credits)
        acting.pay(session_id, now=clock.now())
        self.work()
        return Purchase.objects.get(session_id=session_id)

    def subscribe(self, plan: str, interval: str = "monthly") -> str:
        opened = services.open_subscription_checkout(user=self.user, plan=plan, interval=interval, now=clock.now())
        acting.pay(opened.session_id, now=clock.now())
        self.work()
        return opened.session_id

    def spend(self, images: int) -> None:
        now = clock.now()
        hold = credits_services.place_hold(
            account_id=self.user.pk,
            operation="image_generation",
            quantity=images,
            reference_id=f"crowd-{images}",
            idempotency_key=f"crowd-{images}",
            now=now,
        )
        credits_services.capture_hold(hold_id=hold.id, now=now)

    def pause(self) -> None:
        """Let some time of theirs pass, in which nothing happens."""
        stage.become(clock.now() + A_PAUSE)

    def wait(self, until: datetime) -> None:
        """Let time pass for everybody, up to now: what Stripe does is played at its moment."""
        while clock.now() < until:
            stage.become(timekeeping.find_next_moment(until=until) or until)
            timekeeping.pass_time(now=clock.now())
            self.work()

    def dispute(self, purchase: Purchase, *steps: str) -> None:
        for step in steps:
            if self.queue is not None:
                self.pause()
            acting.dispute(purchase.payment_intent_id, step=step, now=clock.now())  # type: ignore[arg-type]
            self.work()


# --- What they do -------------------------------------------------------------------------------------------------


def look(member: Member) -> None:
    """Has Free's credits, and nothing else."""


def spend_free(member: Member) -> None:
    member.spend(3)


def buy_and_spend(member: Member) -> None:
    member.buy(100)
    member.pause()
    member.spend(40)


def buy_custom(member: Member) -> None:
    member.buy(137)


def leave_open(member: Member) -> None:
    member.open()


def let_expire(member: Member) -> None:
    gateway.expire_checkout_session(member.open())
    member.work()


def wait_for_the_bank(member: Member) -> None:
    owe(member, settles=None)


def be_refused_by_the_bank(member: Member) -> None:
    owe(member, settles="fail")


def owe(member: Member, *, settles: str | None) -> None:
    session_id = member.open()
    now = clock.now()
    checkout.pay_with_bank_debit(session_id=session_id, account_number=cards.ANSWERED_BY_HAND, now=now)
    if settles:
        checkout.settle_bank_debit(session_id=session_id, now=now, outcome=settles)  # type: ignore[arg-type]
    member.work()


def pay_another_price(member: Member) -> None:
    """What was paid is not what was quoted: the purchase needs a review."""
    session_id = member.open()
    Purchase.objects.filter(session_id=session_id).update(price_cents=890)
    acting.pay(session_id, now=clock.now())
    member.work()


def be_refunded_half_after_spending(member: Member) -> None:
    purchase = member.buy(100)
    member.pause()
    member.spend(110)
    member.pause()
    acting.refund(purchase.payment_intent_id, amount_cents=450, now=clock.now())
    member.work()


def be_refunded(member: Member) -> None:
    purchase = member.buy(50)
    member.pause()
    acting.refund(purchase.payment_intent_id, now=clock.now())
    member.work()


def dispute(member: Member) -> None:
    member.dispute(member.buy(100), "open")


def win_dispute(member: Member) -> None:
    member.dispute(member.buy(100), "open", "win")


def lose_dispute(member: Member) -> None:
    member.dispute(member.buy(100), "open", "lose")


def ask_by_the_bank(member: Member) -> None:
    member.dispute(member.buy(100), "inquire")


def subscribe_pro(member: Member) -> None:
    member.subscribe("pro")
    member.spend(25)


def subscribe_enterprise(member: Member) -> None:
    member.subscribe("enterprise", "yearly")


def cancel_pro(member: Member) -> None:
    member.subscribe("pro")
    subscription = member.user.billing_customer.subscriptions.get()
    services.cancel_subscription(user=member.user, subscription_id=subscription.pk, at_period_end=True, now=clock.now())
    member.work()


def fall_behind(member: Member) -> None:
    """The renewal of the second month meets a card that fails; Stripe will try again in a few days."""
    member.subscribe("pro")
    member.spend(500)
    acting.decline(member.user.email, now=clock.now())
    member.wait(clock.now() + A_RENEWAL)


def be_frozen(member: Member) -> None:
    credits_services.grant(
        account_id=member.user.pk, kind="bonus", credits=Decimal(20), source="crowd", now=clock.now()
    )
    credits_services.freeze(account_id=member.user.pk, cause="staff", now=clock.now())


OFTEN = (look, spend_free, look, buy_and_spend, spend_free)
SELDOM: tuple[Callable[[Member], None], ...] = (
    *(buy_custom, leave_open, let_expire, wait_for_the_bank, be_refused_by_the_bank, pay_another_price),
    *(be_refunded_half_after_spending, be_refunded, dispute, win_dispute, lose_dispute, ask_by_the_bank),
    *(subscribe_pro, subscribe_enterprise, cancel_pro, be_frozen, fall_behind),
)
# Whose story must be of these days: checkouts end after a day, and banks wait for an answer for nine.
OF_TODAY = (leave_open,)
OF_THIS_WEEK = (dispute, ask_by_the_bank, wait_for_the_bank)


def began(number: int) -> timedelta:
    """Return how long ago the story of a person begins: spread over a month, so that charts and timelines show one."""
    part = part_of(number)
    if part is fall_behind:
        return A_RENEWAL
    if part in OF_TODAY:
        return timedelta(hours=1)
    return timedelta(days=1 + number % 4) if part in OF_THIS_WEEK else timedelta(days=1 + number * 7 % 25)


def part_of(number: int) -> Callable[[Member], None]:
    """Return what the person of this number does: every second something that is seldom."""
    return SELDOM[(number // 2) % len(SELDOM)] if number % 2 else OFTEN[(number // 2) % len(OFTEN)]


# --- The crowd ----------------------------------------------------------------------------------------------------


def gather(count: int, *, say: Callable[[int], object]) -> int:
    """This will make the people 1 to `count` who are not there yet, and return how many those were."""
    made = 0
    for first in range(1, count + 1, BATCH):
        numbers = [n for n in range(first, min(first + BATCH, count + 1)) if not is_there(n)]
        if numbers:
            present = clock.now()
            with stage.set_up() as queue:
                logging.disable(logging.ERROR)  # somebody pays another price than was quoted, which is an error
                for number in numbers:
                    stage.become(present - began(number))
                    part_of(number)(Member(sign_up(number), queue))
            made += len(numbers)
        say(min(first + BATCH - 1, count))
    for number in (GIVEN_UP, TRIED_AGAIN):
        if not is_there(number):
            lose_webhook(sign_up(number), clock.now(), is_given_up=number == GIVEN_UP)
            made += 1
    if made:
        credits_services.count_days(now=clock.now(), days=COUNTED_DAYS)
    return made


def is_there(number: int) -> bool:
    return User.objects.filter(email=email_of(number)).exists()


def email_of(number: int) -> str:
    return f"person-{number:04}@crowd.smartspec.test"


def sign_up(number: int) -> User:
    """Make the person of a number, with a confirmed address and Free's credits."""
    name = f"{FIRST_NAMES[number % len(FIRST_NAMES)]} {LAST_NAMES[number % len(LAST_NAMES)]}"
    user = User.objects.create_user(email_of(number), name=name, created_at=clock.now())
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    credits_services.give_allowances(account_id=user.pk, now=clock.now())
    return user


@transaction.atomic  # a worker beside this process sees none of it before it has failed
def lose_webhook(user: User, now: datetime, *, is_given_up: bool) -> None:
    """Let a person pay whose webhook fails: support finds them, and replays it."""
    session_id = Member(user, None).open(100)
    before = set(Delivery.objects.values_list("pk", flat=True))
    acting.pay(session_id, now=now)
    Delivery.objects.exclude(pk__in=before).update(state=Delivery.State.DROPPED)
    event = next(
        found
        for found in store.find("event", data__type="checkout.session.completed")
        if found["data"]["object"]["id"] == session_id
    )
    job_id = deliver_and_fail(event, now)
    if is_given_up:
        app.job_manager.cancel_job_by_id(job_id, delete_job=True)
    else:
        ProcrastinateJob.objects.filter(pk=job_id).update(scheduled_at=timezone.now() + TRIED_AGAIN_AFTER, attempts=1)


def deliver_and_fail(event: stage.Data, now: datetime) -> int:
    """Deliver an event whose job has failed once, and return the job."""
    body = json.dumps(event).encode()
    endpoint = store.find("webhook_endpoint")[0]
    signature = sign(body, secret=store.get_private(endpoint["id"])["secret"], timestamp=int(now.timestamp()))
    delivery.post_in_process(endpoint["url"], {"Stripe-Signature": signature}, body)
    job_id = Webhook.objects.get(event_id=event["id"]).job_id or 0
    error = gateway.StripeUnavailable("Stripe could not be reached: connection timed out.")
    jobs.keep_failure(job_id=job_id, error=error, now=now)
    return job_id
