"""Up to a hundred holds or captures in one call, each with its own outcome."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from credits import ids, services
from credits.serializers.batches import (
    BatchCaptureOrderSerializer,
    CaptureBatchSerializer,
    CapturedBatchSerializer,
    HoldBatchSerializer,
    PlacedBatchSerializer,
)
from credits.serializers.holds import HoldOrderSerializer
from credits.views.base import SpendsCredits, field_error
from credits.views.holds import KEY_REQUIRED, KEY_TAKEN, captured, placed
from smartspec import clock
from smartspec.api import Endpoint, exception_handler, idempotency_key, read_order, replayed, shared, validated
from smartspec.errors import DomainError

Wanted = TypeVar("Wanted")
Outcome = TypeVar("Outcome", services.PlacedHold, services.Settled)


class BatchView(Endpoint):
    permission_classes = (SpendsCredits,)

    def answer(
        self,
        orders: list[Any],
        *,
        status: int,
        read: Callable[[int, Any], tuple[UUID, Wanted]],
        run: Callable[[UUID, list[Wanted]], list[Outcome | DomainError]],
        show: Callable[[Outcome], dict[str, Any]],
    ) -> Response:
        """Run the orders account by account, and answer one result each, in the order in which they came."""
        results: dict[int, dict[str, Any]] = {}
        accounts: dict[UUID, dict[int, Wanted]] = defaultdict(dict)
        for place, order in enumerate(orders):
            try:
                account_id, wanted = read(place, order)
            except (exceptions.ValidationError, DomainError) as error:
                results[place] = self.refused(error)
            else:
                accounts[account_id][place] = wanted
        is_replay = not results
        for account_id, in_account in sorted(accounts.items()):
            outcomes = run(account_id, list(in_account.values()))
            for place, outcome in zip(in_account, outcomes, strict=True):
                if isinstance(outcome, DomainError):
                    results[place] = self.refused(outcome)
                    is_replay = False
                else:
                    results[place] = {"status": status, "hold": show(outcome), "error": None}
                    is_replay = is_replay and outcome.is_replay
        return replayed(Response({"results": [results[place] for place in range(len(orders))]}), is_replay)

    def refused(self, error: Exception) -> dict[str, Any]:
        """Return the result of a refusal: the problem with which the single call would have answered."""
        if isinstance(error, services.InvalidJob | services.UnknownOperation):
            error = field_error(error)
        answer = exception_handler(error, {"view": self, "args": (), "kwargs": {}, "request": self.request})
        assert answer is not None  # noqa: S101 - narrows the type; these errors all have an answer
        return {"status": answer.status_code, "hold": None, "error": answer.data}


class HoldBatchView(BatchView):
    @extend_schema(
        operation_id="place_holds",
        parameters=[KEY_REQUIRED],
        request=HoldBatchSerializer,
        responses=PlacedBatchSerializer,
    )
    def post(self, request: Request) -> Response:
        """Place up to 100 holds: one result each, in order.

        The key counts for each job (user and `reference_id`) by itself: under the same key, one that was held is
        answered again, wherever it stands now and whatever else is ordered. Several orders of one job are told apart
        by their order among each other.
        """
        key = idempotency_key(request, required=True)
        assert key is not None  # noqa: S101 - narrows the type; it was required
        orders = validated(HoldBatchSerializer(data=request.data))["holds"]
        keys = keys_of(key, orders)
        now = clock.now()

        def read(place: int, order: Any) -> tuple[UUID, services.HoldRequest]:
            wanted = read_order(order, HoldOrderSerializer)
            return wanted.pop("user_id"), services.HoldRequest(idempotency_key=keys[place], **wanted)

        def run(account_id: UUID, holds: list[services.HoldRequest]) -> list[services.PlacedHold | DomainError]:
            return services.hold_many(account_id=account_id, holds=holds, now=now)

        return self.answer(orders, status=201, read=read, run=run, show=placed)


class CaptureBatchView(BatchView):
    @extend_schema(
        operation_id="capture_holds",
        parameters=[KEY_TAKEN],
        request=CaptureBatchSerializer,
        responses=CapturedBatchSerializer,
    )
    def post(self, request: Request) -> Response:
        """Capture up to 100 holds: one result each, in order. A capture that was made before answers as it did then.

        The key counts for each hold by itself, as a batch of holds' does for each job.
        """
        idempotency_key(request)  # a hold is captured once, so the key needs to be well-formed and nothing more
        orders = validated(CaptureBatchSerializer(data=request.data))["captures"]
        now = clock.now()

        def read(place: int, order: Any) -> tuple[UUID, services.CaptureRequest]:
            wanted = read_order(order, BatchCaptureOrderSerializer)
            numbered = ids.parse_hold_id(wanted["id"])
            if numbered is None:
                raise services.UnknownHold("There is no such hold.")
            return numbered.account_id, services.CaptureRequest(wanted["id"], wanted.get("credits"))

        def run(account_id: UUID, captures: list[services.CaptureRequest]) -> list[services.Settled | DomainError]:
            return services.capture_many(account_id=account_id, captures=captures, now=now)

        return self.answer(orders, status=200, read=read, run=run, show=captured)


def keys_of(batch_key: str, orders: list[Any]) -> list[str]:
    """Return the key of each order: the batch's, the job that it names, and which of the job's orders it is.

    So no order loses its key when others are left out, added or moved. The malformed count too: they may come back
    mended. Digests, so that it fits and meets no key that a client chose.
    """
    seen: Counter[str] = Counter()
    keys = []
    for order in orders:
        named = order if isinstance(order, dict) else {}
        job = digest(json.dumps([spelled(field, named.get(field)) for field in ("user_id", "reference_id")]))
        keys.append(f"batch:{digest(batch_key)}:{job}:{seen[job]}")
        seen[job] += 1
    return keys


def spelled(field: str, value: Any) -> str:
    """Return a field of an order as it is read, so that its spelling makes no difference; a malformed one as it is."""
    try:
        return str(shared(HoldOrderSerializer).fields[field].run_validation(value))
    except exceptions.ValidationError:
        return str(value)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
