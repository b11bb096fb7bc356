"""A crowd for demonstrations: people in every state that support staff meet, always the same ones.

They buy by the product's own services and pay at the sandbox; webhooks are signed, delivered and worked on.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from allauth.account.models import EmailAddress
from django.db import transaction
from procrastinate.contrib.django import app

from billing import gateway, services
from billing.models import Purchase, Webhook
from billing.sandbox import delivery, store
from billing.sandbox.models import Delivery
from billing.sandbox.services import acting, checkout
from billing.sandbox.services.deliveries import sign
from billing.sandbox.year import stage
from credits import services as credits_services
from smartspec import clock, jobs
from smartspec.users.models import User

BATCH = 25
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

    def dispute(self, purchase: Purchase, *steps: str) -> None:
        for step in steps:
            acting.dispute(purchase.payment_intent_id, step=step, now=clock.now())  # type: ignore[arg-type]
            self.work()


# --- What they do -------------------------------------------------------------------------------------------------


def look(member: Member) -> None:
    """Has Free's credits, and nothing else."""


def spend_free(member: Member) -> None:
    member.spend(3)


def buy_and_spend(member: Member) -> None:
    member.buy(100)
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
    checkout.pay_with_bank_debit(session_id=session_id, account_number="000123456789", now=now, settles_in_seconds=None)
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
    member.spend(110)
    acting.refund(purchase.payment_intent_id, amount_cents=450, now=clock.now())
    member.work()


def be_refunded(member: Member) -> None:
    acting.refund(member.buy(50).payment_intent_id, now=clock.now())
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


def be_frozen(member: Member) -> None:
    credits_services.grant(
        account_id=member.user.pk, kind="bonus", credits=Decimal(20), source="crowd", now=clock.now()
    )
    credits_services.freeze(account_id=member.user.pk, cause="staff", now=clock.now())


OFTEN = (look, spend_free, look, buy_and_spend, spend_free)
SELDOM: tuple[Callable[[Member], None], ...] = (
    *(buy_custom, leave_open, let_expire, wait_for_the_bank, be_refused_by_the_bank, pay_another_price),
    *(be_refunded_half_after_spending, be_refunded, dispute, win_dispute, lose_dispute, ask_by_the_bank),
    *(subscribe_pro, subscribe_enterprise, cancel_pro, be_frozen),
)


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
            with stage.set_up() as queue:
                for number in numbers:
                    user = sign_up(number)
                    part_of(number)(Member(user, queue))
            made += len(numbers)
        say(min(first + BATCH - 1, count))
    if not User.objects.filter(email=email_of(0)).exists():
        lose_webhook(sign_up(0), clock.now())
        made += 1
    return made


def is_there(number: int) -> bool:
    return User.objects.filter(email=email_of(number)).exists()


def email_of(number: int) -> str:
    return f"person-{number:04}@crowd.smartspec.test"


def sign_up(number: int) -> User:
    """Make the person of a number, with a confirmed address and Free's credits."""
    name = f"{FIRST_NAMES[number % len(FIRST_NAMES)]} {LAST_NAMES[number % len(LAST_NAMES)]}"
    user = User.objects.create_user(email_of(number), name=name)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    credits_services.give_allowances(account_id=user.pk, now=clock.now())
    return user


@transaction.atomic  # a worker beside this process sees none of it before it has failed
def lose_webhook(user: User, now: datetime) -> None:
    """Let a person pay whose webhook fails until the queue gives up: support finds them, and replays it."""
    session_id = Member(user, None).open(100)
    before = set(Delivery.objects.values_list("pk", flat=True))
    acting.pay(session_id, now=now)
    Delivery.objects.exclude(pk__in=before).update(state=Delivery.State.DROPPED)
    event = next(
        found
        for found in store.find("event", data__type="checkout.session.completed")
        if found["data"]["object"]["id"] == session_id
    )
    deliver_and_fail(event, now)


def deliver_and_fail(event: stage.Data, now: datetime) -> None:
    body = json.dumps(event).encode()
    endpoint = store.find("webhook_endpoint")[0]
    signature = sign(body, secret=store.get_private(endpoint["id"])["secret"], timestamp=int(now.timestamp()))
    delivery.post_in_process(endpoint["url"], {"Stripe-Signature": signature}, body)
    webhook = Webhook.objects.get(event_id=event["id"])
    error = gateway.StripeUnavailable("Stripe could not be reached: connection timed out.")
    jobs.keep_failure(job_id=webhook.job_id or 0, error=error, now=now)
    app.job_manager.cancel_job_by_id(webhook.job_id or 0, delete_job=True)
