"""One person's year: what they do, what their bank and Stripe do, and how time passes for them alone."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from dateutil.relativedelta import relativedelta

from billing.sandbox import store
from billing.sandbox.services import acting, clocks, customers, timekeeping
from billing.sandbox.year import stage
from credits import services as credits_services
from smartspec import clock

Data = dict[str, Any]

# The hourly task gives allowances a few minutes past the hour; here every month looks for them once.
ALLOWANCES_AFTER = timedelta(minutes=5)


@dataclass
class Person:
    """Somebody whose year is played. Months count from 1, and each begins at the minute at which the year does."""

    account: stage.Account
    worker: stage.Caller
    queue: stage.Queue
    begin: datetime
    end: datetime
    customer_id: str = ""
    clock_id: str = ""
    notes: list[tuple[datetime, str]] = field(default_factory=list)
    jobs: int = 0

    # --- Time ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """They confirm their address, and have Free's credits."""
        stage.become(self.begin)
        EmailAddress.objects.filter(user_id=self.account.user_id).update(verified=True)
        self.note("signs up and confirms the e-mail address")
        credits_services.give_allowances(account_id=self.account.user_id, now=clock.now())

    def month(self, number: int) -> datetime:
        return self.begin + relativedelta(months=number - 1)

    def wait(self, until: datetime) -> None:
        """Let time pass: what Stripe does is played at its moment, and its webhooks arrive then."""
        allowances = [self.month(number) + ALLOWANCES_AFTER for number in range(1, 14)]
        while (now := clock.now()) < until:
            due_at = timekeeping.find_next_moment(until=until, clock=self.clock_id) if self.clock_id else None
            stops = [stop for stop in (*allowances, due_at) if stop and now < stop < until]
            self.arrive(min(stops, default=until))

    def arrive(self, moment: datetime) -> None:
        stage.become(max(moment, clock.now()))
        if self.clock_id:
            frozen_at = store.moment(store.get(clocks.KIND, self.clock_id)["frozen_time"])
            by = clock.now().replace(microsecond=0) - frozen_at
            if by > timedelta(0):
                clocks.move(self.clock_id, by=by, now=clock.now())
        self.queue.run()
        credits_services.give_allowances(account_id=self.account.user_id, now=clock.now())

    def wait_for(self, month: int, share: float = 0) -> None:
        """Wait for a month, or for a share of it."""
        start, end = self.month(month), self.month(month + 1)
        self.wait(start + (end - start) * share)

    # --- Acts ---------------------------------------------------------------------------------------------------------

    def note(self, what: str) -> None:
        self.notes.append((clock.now(), what))

    def subscribe(self, plan: str, interval: str) -> None:
        self.note(f"subscribes to {plan.title()}, {interval}")
        self._check_out("subscription", {"plan": plan, "interval": interval})

    def buy(self, credits: int) -> None:
        self.note(f"buys {credits} credits")
        self._check_out("credits", {"credits_amount": credits})

    def _check_out(self, kind: str, body: Data) -> None:
        """Open a checkout by the API, pay on Stripe's page, come back to the app."""
        opened = self.account.caller.post(f"/api/payment/checkout/{kind}", body)
        if not self.clock_id:
            self.customer_id = store.get("checkout.session", opened["session_id"])["customer"]
            self.clock_id = customers.ensure_own_clock(self.customer_id, name="A played year", now=clock.now())
        acting.pay(opened["session_id"], now=clock.now())
        self.queue.run()

    def spend(self, credits: int) -> None:
        """A worker makes so many images: hold, then capture."""
        self.jobs += 1
        job = f"{self.account.user_id}-{self.jobs}"
        order = {
            "user_id": str(self.account.user_id),
            "operation": "image_generation",
            "quantity": credits,
            "reference_id": job,
        }
        hold = self.worker.post("/api/credits/holds", order, key=job)
        self.worker.post(f"/api/credits/holds/{hold['id']}/capture", {}, key=f"{job}-capture")

    def change_plan(self, plan: str) -> None:
        subscription = self.account.caller.get("/api/payment/subscription")
        body = {"subscription_id": subscription["id"], "new_plan": plan}
        answer = self.account.caller.post("/api/payment/subscription/change-plan", body)
        self.note(f"changes to {plan.title()}: {answer['status']}, {answer['credits_granted']:,.0f} credits at once")
        self.queue.run()

    def card_fails(self) -> None:
        self.note("the card will be refused from now on")
        acting.decline(self.customer_id, now=clock.now())
        self.queue.run()

    def card_works(self) -> None:
        self.note("puts in a new card, which pays what is open")
        acting.pay(self.customer_id, now=clock.now())
        self.queue.run()

    def is_refunded(self) -> None:
        self.note("asks for the money back; staff refund it in Stripe's dashboard")
        acting.refund(self.customer_id, now=clock.now())
        self.queue.run()

    def disputes(self) -> None:
        self.note("the bank disputes the payment")
        acting.dispute(self.customer_id, step="open", now=clock.now())
        self.queue.run()

    def finish(self) -> None:
        """The year is over: from here on they live by the clock of everybody."""
        self.wait(self.end)
        if self.clock_id:
            clocks.leave(self.clock_id)
