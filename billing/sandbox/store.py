"""Reading and writing Stripe's objects. An object is the dict that Stripe would show; it is written whole.

Nothing else touches `StoredObject`. A change happens inside a transaction, on an object that was read with `lock`.
"""

import copy
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet

from billing.sandbox.errors import ResourceMissing
from billing.sandbox.models import StoredObject

Data = dict[str, Any]

# The field of each kind that people look it up by, beside its id.
NAME_FIELDS = {"price": "lookup_key", "promotion_code": "code", "event": "type", "customer": "email"}


def timestamp(moment: datetime) -> int:
    """This will return the moment in Stripe's form: whole seconds since 1970."""
    return int(moment.timestamp())


def moment(seconds: int) -> datetime:
    """This will return Stripe's seconds as an aware UTC time."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def add(data: Data, *, private: Data | None = None, due_at: datetime | None = None, clock: str = "") -> Data:
    """This will store a new object and give it back. What belongs to a customer lives by the customer's clock."""
    clock = clock or data.get("test_clock") or find_clock([_id_of(data.get("customer"))])
    if clock and "test_clock" in data:
        data["test_clock"] = clock
    row = StoredObject(id=data["id"], kind=data["object"], private=private or {}, due_at=due_at, clock=clock)
    _fill(row, data)
    row.save(force_insert=True)
    return data


def save(data: Data) -> Data:
    """This will write an object that exists already.

    :raises ResourceMissing: when it does not.
    """
    row = _row(data["object"], data["id"])
    owner = row.customer
    _fill(row, data)
    if row.customer != owner and not row.clock:  # attached to somebody: it lives by their clock from now on
        row.clock = find_clock([row.customer])
    row.save()
    return data


def get(kind: str, object_id: str, *, param: str | None = None, status: int = 404) -> Data:
    """This will return the object.

    :raises ResourceMissing: for an unknown or deleted one; `param` is the parameter that named it.
    """
    return copy.deepcopy(_row(kind, object_id, param=param, status=status).data)


def lock(kind: str, object_id: str, *, param: str | None = None, status: int = 404) -> Data:
    """This will return the object and keep every other writer away from it until the transaction ends."""
    rows = StoredObject.objects.select_for_update()
    return copy.deepcopy(_row(kind, object_id, rows=rows, param=param, status=status).data)


def get_private(object_id: str) -> Data:
    """This will return what Stripe keeps to itself about an object."""
    private: Data = StoredObject.objects.values_list("private", flat=True).get(id=object_id)
    return private


def set_private(object_id: str, **values: Any) -> None:
    """This will change some of what Stripe keeps to itself about an object."""
    StoredObject.objects.filter(id=object_id).update(private=get_private(object_id) | values)


def set_due(object_id: str, due_at: datetime | None) -> None:
    """This will note when time next changes the object by itself."""
    StoredObject.objects.filter(id=object_id).update(due_at=due_at)


def find_clock(object_ids: list[str]) -> str:
    """This will return the test clock by which the first of these objects lives that has one, or an empty string."""
    named = [object_id for object_id in object_ids if object_id]
    if not named:
        return ""
    found = StoredObject.objects.filter(id__in=named, is_deleted=False).exclude(clock="")
    return next(iter(found.values_list("clock", flat=True)), "")


def put_on_clock(customer: str, clock: str) -> None:
    """This will let a customer and all that is theirs live by a test clock."""
    theirs = StoredObject.objects.filter(Q(id=customer) | Q(customer=customer))
    subscriptions = theirs.filter(kind="subscription").values("id")
    StoredObject.objects.filter(kind="subscription_item", subscription__in=subscriptions).update(clock=clock)
    for row in theirs.filter(data__has_key="test_clock"):
        row.data["test_clock"] = clock
        row.save(update_fields=["data"])
    theirs.update(clock=clock)


def take_off_clock(clock: str) -> None:
    """This will let everything that lives by a test clock live by the real one."""
    for row in StoredObject.objects.filter(clock=clock, data__has_key="test_clock"):
        row.data["test_clock"] = None
        row.save(update_fields=["data"])
    StoredObject.objects.filter(clock=clock).update(clock="")


def mark_clock_deleted(clock: str) -> None:
    """This will hide everything that lives by a test clock."""
    StoredObject.objects.filter(clock=clock).update(is_deleted=True, due_at=None)


def mark_deleted(kind: str, object_id: str) -> None:
    """This will hide the object from every later call."""
    StoredObject.objects.filter(kind=kind, id=object_id).update(is_deleted=True, due_at=None)


def free_id(object_id: str) -> None:
    """This will let an id that a caller chose be used again, if its object was deleted."""
    StoredObject.objects.filter(id=object_id, is_deleted=True).delete()


def find_any(object_id: str) -> Data | None:
    """This will return the object of this id, whatever its kind, or None."""
    found = StoredObject.objects.filter(id=object_id, is_deleted=False)
    return next((copy.deepcopy(row.data) for row in found), None)


def was_deleted(kind: str, object_id: str) -> bool:
    return StoredObject.objects.filter(kind=kind, id=object_id, is_deleted=True).exists()


def rows(kind: str, condition: Q | None = None, **filters: Any) -> QuerySet[StoredObject]:
    """This will return the rows of one kind that match, the newest first, as Stripe's lists have them."""
    found = StoredObject.objects.filter(kind=kind, is_deleted=False, **filters).order_by("-created", "-number")
    return found.filter(condition) if condition is not None else found


def find(kind: str, **filters: Any) -> list[Data]:
    """This will return the objects of one kind that match, the newest first."""
    return [copy.deepcopy(row.data) for row in rows(kind, **filters)]


def find_first(kind: str, **filters: Any) -> Data | None:
    """This will return the newest match, or None."""
    row = rows(kind, **filters).first()
    return copy.deepcopy(row.data) if row else None


def find_next_due(*, now: datetime, clock: str, kinds: Iterable[str]) -> StoredObject | None:
    """This will return what time changes first up to `now`; of what is due at the same moment, the earlier kind."""
    ranks = {kind: rank for rank, kind in enumerate(kinds)}
    due = StoredObject.objects.filter(clock=clock, due_at__lte=now, kind__in=list(ranks), is_deleted=False)
    first = due.order_by("due_at", "number").only("due_at").first()
    if first is None:
        return None
    return min(due.filter(due_at=first.due_at), key=lambda row: (ranks[row.kind], row.number))


def is_still_due(row: StoredObject) -> bool:
    """This will lock a due object and say whether nobody has played it in the meantime."""
    locked = StoredObject.objects.select_for_update().only("due_at", "is_deleted").get(pk=row.pk)
    return locked.due_at == row.due_at and not locked.is_deleted


def let_rest(row: StoredObject) -> None:
    """This will take a due object out of time until its next change, unless it was changed in the meantime."""
    StoredObject.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=None)


def _row(
    kind: str,
    object_id: str,
    *,
    rows: QuerySet[StoredObject] | None = None,
    param: str | None = None,
    status: int = 404,
) -> StoredObject:
    rows = StoredObject.objects.all() if rows is None else rows
    try:  # not first(): its order by number makes Postgres read from the beginning while it has no figures of the table
        return rows.get(id=object_id, kind=kind, is_deleted=False)
    except StoredObject.DoesNotExist:
        raise ResourceMissing(kind, object_id, param, status=status) from None


def _fill(row: StoredObject, data: Data) -> None:
    """Copy the object and its look-up columns into its row."""
    row.data = data
    row.created = data.get("created") or data.get("date") or 0
    row.customer = _id_of(data.get("customer"))
    row.subscription = _id_of(data.get("subscription") or _subscription_of_invoice(data))
    row.invoice = _id_of(data.get("invoice"))
    row.payment_intent = _id_of(data.get("payment_intent") or (data.get("payment") or {}).get("payment_intent"))
    row.status = str(data.get("status") or "")
    row.name = str(data.get(NAME_FIELDS.get(row.kind, "")) or "")
    if row.kind in DUE_FROM_DATA:
        seconds = DUE_FROM_DATA[row.kind](data)
        row.due_at = None if seconds is None else moment(seconds)


def _invoice_due(data: Data) -> int | None:
    """A draft is finalised, and an open invoice is tried again, by itself."""
    if not data["auto_advance"]:
        return None
    due: int | None = {"draft": data["automatically_finalizes_at"], "open": data["next_payment_attempt"]}.get(
        data["status"]
    )
    return due


def _schedule_due(data: Data) -> int | None:
    """A schedule at work goes on when its phase ends."""
    return data["current_phase"]["end_date"] if data["status"] == "active" and data["current_phase"] else None


# Kinds that say in their own fields when time next changes them.
DUE_FROM_DATA = {"invoice": _invoice_due, "subscription_schedule": _schedule_due}


def _id_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _subscription_of_invoice(data: Data) -> str | None:
    details = (data.get("parent") or {}).get("subscription_details") or {}
    subscription: str | None = details.get("subscription")
    return subscription
