"""What the queue does for people: housekeeping."""

from procrastinate.contrib.django import app

from smartspec import clock
from smartspec.logs import get_logger
from smartspec.users import services

log = get_logger(__name__)


@app.periodic(cron="23 * * * *")
@app.task(queueing_lock="users.clear_expired", pass_context=False)
def clear_expired(timestamp: int) -> None:
    """Delete expired sessions, links, rate counters and cache rows, every hour."""
    log.info("Expired rows cleared", **services.clear_expired(now=clock.now()))
