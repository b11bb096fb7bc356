"""Lists with cursors."""

import copy
from typing import Any

from django.db.models import QuerySet

from billing.sandbox import store
from billing.sandbox.errors import ParameterInvalid, ResourceMissing
from billing.sandbox.models import StoredObject

Data = dict[str, Any]

DEFAULT_LIMIT, LARGEST_LIMIT = 10, 100
COLUMNS = {"customer", "subscription", "invoice", "payment_intent", "status"}
PAGING = {"limit", "starting_after", "ending_before", "expand"}
COMPARISONS = {"gt", "gte", "lt", "lte"}


def list_rows(rows: QuerySet[StoredObject], params: Data, *, url: str, names: dict[str, str] | None = None) -> Data:
    """This will answer a list request over rows that come newest first.

    Parameters filter by the column of the same name, by `names`, else by the field of the object itself.
    """
    for name, value in params.items():
        if name in PAGING:
            continue
        rows = _filter(rows, name, value, names or {})
    return _page(rows, params, url=url)


def list_data(items: list[Data], params: Data, *, url: str) -> Data:
    """This will answer a list request over objects that are part of another."""
    limit = _limit(params)
    ids = [item["id"] for item in items]
    start, end = 0, len(items)
    if cursor := params.get("starting_after"):
        start = _index(ids, cursor, "starting_after") + 1
        end = start + limit
        has_more = end < len(items)
    elif cursor := params.get("ending_before"):
        end = _index(ids, cursor, "ending_before")
        start = max(0, end - limit)
        has_more = start > 0
    else:
        end = limit
        has_more = len(items) > limit
    return {"object": "list", "data": items[start:end], "has_more": has_more, "url": url}


def _filter(rows: QuerySet[StoredObject], name: str, value: Any, names: dict[str, str]) -> QuerySet[StoredObject]:
    if name == "created" or (isinstance(value, dict) and value.keys() <= COMPARISONS):
        column = "created" if name == "created" else f"data__{name}"
        if not isinstance(value, dict):
            return rows.filter(**{column: value})
        return rows.filter(**{f"{column}__{comparison}": bound for comparison, bound in value.items()})
    column = names.get(name) or (name if name in COLUMNS else "")
    if not column:
        path = f"data__{name}"
        if isinstance(value, dict):
            for inner, wanted in value.items():
                rows = rows.filter(**{f"{path}__{inner}": wanted})
            return rows
        return rows.filter(**{f"{path}__in" if isinstance(value, list) else path: value})
    return rows.filter(**{f"{column}__in" if isinstance(value, list) else column: value})


def _page(rows: QuerySet[StoredObject], params: Data, *, url: str) -> Data:
    limit = _limit(params)
    backwards = False
    if cursor := params.get("starting_after"):
        row = _cursor(cursor, "starting_after")
        # The first condition alone lets the index be entered where the page begins.
        rows = rows.filter(created__lte=row.created).exclude(created=row.created, number__gte=row.number)
    elif cursor := params.get("ending_before"):
        row = _cursor(cursor, "ending_before")
        rows = rows.filter(created__gte=row.created).exclude(created=row.created, number__lte=row.number)
        rows = rows.order_by("created", "number")
        backwards = True
    found = list(rows[: limit + 1])
    data = [copy.deepcopy(row.data) for row in found[:limit]]
    return {
        "object": "list",
        "data": data[::-1] if backwards else data,
        "has_more": len(found) > limit,
        "url": url,
    }


def _limit(params: Data) -> int:
    limit = int(params.get("limit", DEFAULT_LIMIT))
    if not 1 <= limit <= LARGEST_LIMIT:
        bound = "greater than or equal to 1" if limit < 1 else f"less than or equal to {LARGEST_LIMIT}"
        raise ParameterInvalid("limit", f"This value must be {bound} (limit: {limit}).", "parameter_invalid_integer")
    return limit


def _cursor(object_id: str, param: str) -> StoredObject:
    row = StoredObject.objects.filter(id=object_id).first()
    if row is None:
        raise ResourceMissing("object", object_id, param, status=400)
    return row


def _index(ids: list[str], wanted: str, param: str) -> int:
    if wanted not in ids:
        raise ResourceMissing("object", wanted, param, status=400)
    return ids.index(wanted)


def rows_of(kind: str, **filters: Any) -> QuerySet[StoredObject]:
    return store.rows(kind, **filters)
