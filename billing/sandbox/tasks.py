"""What the sandbox does by itself: deliver events, let time pass."""

from typing import Any

from procrastinate.contrib.django import app

from billing.sandbox.services import clocks, deliveries, timekeeping
from smartspec import clock


@app.task(queue="sandbox", name="billing.sandbox.tasks.deliver_event")
def deliver_event(delivery_id: int, is_repeat: bool = False) -> None:
    """Try one delivery; a failed one puts its next try on the queue itself."""
    if is_repeat:
        deliveries.repeat(delivery_id=delivery_id, now=clock.now())
    else:
        deliveries.attempt(delivery_id=delivery_id, now=clock.now())


@app.task(queue="sandbox", name="billing.sandbox.tasks.arrive")
def arrive(clock_id: str) -> None:
    """Bring a test clock to where it was sent, unless somebody who polled it did."""
    clocks.arrive(clock_id=clock_id, now=clock.now())


@app.periodic(cron="* * * * * */10")  # the sixth column are seconds: nobody waits longer for what is due
@app.task(queue="sandbox", queueing_lock="sandbox_pass_time", pass_context=False)
def pass_time(timestamp: int, **_: Any) -> None:
    """Do what time does at Stripe, for everything that lives by the real clock."""
    timekeeping.pass_time(now=clock.now())
