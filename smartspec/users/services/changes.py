"""Rows that staff edit by hand, such as the catalogue: each change is allowed by a role and written down."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Model

from smartspec.users.services.staff import Staff, record_action, require_right


def save_by_staff(*, staff: Staff, row: Model, now: datetime) -> None:
    """This will save a row that a member of staff has added or changed, and write down what became of what.

    :raises NotPermitted, ReasonMissing: see `record_action`.
    """
    options, manager = row._meta, type(row)._default_manager
    verb = "add" if row._state.adding else "change"
    require_right(staff, f"{options.app_label}.{verb}_{options.model_name}")
    with transaction.atomic():
        known = None if verb == "add" else manager.select_for_update().get(pk=row.pk)
        before = values_of(known) if known is not None else {}
        row.save()
        after = {name: value for name, value in values_of(row).items() if before.get(name) != value}
        record_action(
            staff=staff,
            action=f"{verb}_{options.model_name}",
            reference_type=str(options.model_name),
            reference_id=str(row.pk),
            before={name: before[name] for name in after if name in before},
            after=after,
            now=now,
        )


def delete_by_staff(*, staff: Staff, row: Model, now: datetime) -> None:
    """This will delete a row, and write down what it was.

    :raises NotPermitted, ReasonMissing: see `record_action`.
    """
    options = row._meta
    require_right(staff, f"{options.app_label}.delete_{options.model_name}")
    with transaction.atomic():
        record_action(
            staff=staff,
            action=f"delete_{options.model_name}",
            reference_type=str(options.model_name),
            reference_id=str(row.pk),
            before=values_of(row),
            now=now,
        )
        row.delete()


def values_of(row: Model) -> dict[str, Any]:
    """Return what a row holds, in what JSON knows."""
    return {field.name: plain(getattr(row, field.attname)) for field in row._meta.concrete_fields}


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else value
