"""What operators watch: conditions that must hold, each with what to type when it does not, and figures over time.

An app contributes in its own `watching.py`, found like `admin.py`:

    @watching.condition
    def reconciled(now: datetime) -> Condition: ...

    @watching.gauges
    def holds(now: datetime) -> Iterable[Gauge]: ...

The same conditions are one screen (`manage.py doctor`), mails to operators (once when one breaks, once when it holds
again) and a metric; gauges are read whenever `/metrics` is.
"""

from smartspec.watching.words import Condition, Gauge, condition, gauges

__all__ = ["Condition", "Gauge", "condition", "gauges"]
