"""The back-office as a registry: its places, what may stand in them, and what each app has put there.

An app contributes in its own `backoffice.py` (and, for a person's export and erasure, in `personal_data.py`); both are
found like `admin.py`. A place is filled by a decorator that says which right it takes to see the contribution, and
where it stands among the others:

    @backoffice.figures(right="billing.view_purchase", order=10)
    def revenue(now: datetime) -> list[Figure]: ...

Pages walk over the places and know no app. Contributions read by selectors and act by one call of a service, which
checks the right again.
"""

from smartspec.backoffice.handing_out import write_everything
from smartspec.backoffice.places import (
    Place,
    actions,
    alerts,
    balances,
    charts,
    discover,
    erasers,
    exporters,
    facts,
    figures,
    links,
    panels,
    searches,
    tasks,
    timeline,
)
from smartspec.backoffice.words import (
    Action,
    ActionForm,
    ActionLink,
    Alert,
    Chart,
    Document,
    Fact,
    Figure,
    Hit,
    Line,
    Link,
    Panel,
    Preview,
    ReasonForm,
    Task,
    wide,
)

__all__ = [
    "Action",
    "ActionForm",
    "ActionLink",
    "Alert",
    "Chart",
    "Document",
    "Fact",
    "Figure",
    "Hit",
    "Line",
    "Link",
    "Panel",
    "Place",
    "Preview",
    "ReasonForm",
    "Task",
    "actions",
    "alerts",
    "balances",
    "charts",
    "discover",
    "erasers",
    "exporters",
    "facts",
    "figures",
    "links",
    "panels",
    "searches",
    "tasks",
    "timeline",
    "wide",
    "write_everything",
]
