"""What the queue does for people: housekeeping, and mail that waits."""

from procrastinate.contrib.django import app

from smartspec import backoffice, clock, mail
from smartspec.jobs import BackOff
from smartspec.logs import get_logger
from smartspec.users import selectors, services
from smartspec.users.models import User

log = get_logger(__name__)


@app.periodic(cron="23 * * * *")
@app.task(queueing_lock="users.clear_expired", pass_context=False, retry=BackOff())
def clear_expired(timestamp: int) -> None:
    """Delete expired sessions, links, rate counters, places and cache rows, every hour."""
    log.info("Expired rows cleared", **services.clear_expired(now=clock.now()))


@app.periodic(cron="41 6 * * *")
@app.task(queueing_lock="users.warn_of_ending_keys", pass_context=False, retry=BackOff())
def warn_of_ending_keys(timestamp: int) -> None:
    """Tell people, every day, of keys of theirs that are about to end."""
    log.info("Ending keys told", mails=services.warn_of_ending_keys(now=clock.now()))


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="users.hand_over_waiting_mail", lock="users.hand_over_waiting_mail")  # one run at a time
def hand_over_waiting_mail(timestamp: int) -> None:
    """Send, every minute, the mails that the mail server did not take at once."""
    taken = mail.hand_over_waiting(now=clock.now())
    if taken:
        log.info("Waiting mail left", mails=taken)


@app.task(queue="default", retry=BackOff())
def erase(user_id: str) -> None:
    """Take away what every app holds of a person who asked to be forgotten. What was taken already stays taken.

    One that fails (Stripe is away) keeps none from its turn but the last: by the person's row the others find them.
    """
    user = User.objects.get(pk=user_id)
    *apps, person = backoffice.erasers
    failures = []
    for eraser in apps:
        try:
            eraser.call(user, clock.now())
        except Exception as failure:
            log.warning("Erasure not finished", user_id=user_id, eraser=eraser.name, error=type(failure).__name__)
            failures.append(failure)
    if failures:
        raise failures[0]
    person.call(user, clock.now())


@app.periodic(cron="17 5 * * *")
@app.task(queueing_lock="users.look_after_erasures", pass_context=False, retry=BackOff())
def look_after_erasures(timestamp: int) -> None:
    """Erase again, every day, what was not finished, and what has reached us since of people who are gone."""
    for user in selectors.list_erasures_to_look_after(now=clock.now()):
        services.enqueue_erasure(user)
