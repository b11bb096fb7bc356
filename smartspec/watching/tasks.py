"""What the queue does to watch."""

from procrastinate.contrib.django import app

from smartspec import clock
from smartspec.watching import services


@app.periodic(cron="*/5 * * * *")
@app.task(queueing_lock="watching.alert")
def alert(timestamp: int) -> None:
    """Tell operators, every five minutes, what broke and what holds again. A dead worker tells nothing: let a timer of
    the machine run `manage.py doctor --mail` as well (docs/operations.md)."""
    services.alert(now=clock.now())
