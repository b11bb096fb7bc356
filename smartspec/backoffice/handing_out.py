"""Everything that is held about a person, for them to take along."""

import itertools
from collections.abc import Iterator
from datetime import datetime

from smartspec import exports
from smartspec.backoffice import places
from smartspec.users.models import User


def write_everything(*, user: User, now: datetime) -> Iterator[str]:
    """Yield one JSON document, part by part: what every app exports of a person."""
    parts = ((exporter.name, exporter.call(user, now)) for exporter in places.exporters)
    return exports.write_document(itertools.chain([("exported_at", now)], parts))
