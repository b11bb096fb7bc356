"""Up to a hundred holds or captures in one call, each with its own outcome."""

import hashlib
from collections import defaultdict
from typing import Any, Final
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from credits import ids, serializers, services
from credits.views.base import CreditsView, SpendsCredits, field_error, replayed, validated
from credits.views.holds import KEY_REQUIRED, captured, placed
from smartspec import clock
from smartspec.api import exception_handler, idempotency_key
from smartspec.errors import DomainError

Result = dict[str, Any]
HELD: Final = 201
CAPTURED: Final = 200


class HoldBatchView(CreditsView):
    permission_classes = (SpendsCredits,)

    @extend_schema(
        operation_id="place_holds",
        parameters=[KEY_REQUIRED],
        request=serializers.HoldBatchSerializer,
        responses=serializers.PlacedBatchSerializer,
    )
    def post(self, request: Request) -> Response:
        """Place up to 100 holds: one result each, in order. The same key with the same orders answers them again."""
        key = idempotency_key(request, required=True)
        assert key is not None  # noqa: S101 - narrows the type; it was required
        orders = validated(serializers.HoldBatchSerializer(data=request.data))["holds"]
        results: dict[int, Result] = {}
        accounts: dict[UUID, dict[int, services.HoldRequest]] = defaultdict(dict)
        for place, order in enumerate(orders):
            try:
                wanted = validated(serializers.HoldOrderSerializer(data=order))
            except exceptions.ValidationError as error:
                results[place] = refused(self, error)
            else:
                account_id = wanted.pop("user_id")
                accounts[account_id][place] = services.HoldRequest(idempotency_key=key_of(key, place), **wanted)
        is_replay = not results
        now = clock.now()
        for account_id in sorted(accounts):
            wanted_here = accounts[account_id]
            outcomes = services.hold_many(account_id=account_id, holds=list(wanted_here.values()), now=now)
            for place, outcome in zip(wanted_here, outcomes, strict=True):
                if isinstance(outcome, DomainError):
                    results[place] = refused(self, outcome)
                else:
                    results[place] = {"status": HELD, "hold": placed(outcome), "error": None}
                is_replay = is_replay and not isinstance(outcome, DomainError) and outcome.is_replay
        return replayed(Response({"results": [results[place] for place in range(len(orders))]}), is_replay)


class CaptureBatchView(CreditsView):
    permission_classes = (SpendsCredits,)

    @extend_schema(
        operation_id="capture_holds",
        request=serializers.CaptureBatchSerializer,
        responses=serializers.CapturedBatchSerializer,
    )
    def post(self, request: Request) -> Response:
        """Capture up to 100 holds: one result each, in order. A capture that was made before answers as it did then."""
        orders = validated(serializers.CaptureBatchSerializer(data=request.data))["captures"]
        results: dict[int, Result] = {}
        accounts: dict[UUID, dict[int, services.CaptureRequest]] = defaultdict(dict)
        for place, order in enumerate(orders):
            try:
                wanted = validated(serializers.BatchCaptureOrderSerializer(data=order))
            except exceptions.ValidationError as error:
                results[place] = refused(self, error)
                continue
            numbered = ids.parse_hold_id(wanted["id"])
            if numbered is None:
                results[place] = refused(self, services.UnknownHold("There is no such hold."))
            else:
                accounts[numbered.account_id][place] = services.CaptureRequest(wanted["id"], wanted.get("credits"))
        is_replay = not results
        now = clock.now()
        for account_id in sorted(accounts):
            wanted_here = accounts[account_id]
            outcomes = services.capture_many(account_id=account_id, captures=list(wanted_here.values()), now=now)
            for place, outcome in zip(wanted_here, outcomes, strict=True):
                if isinstance(outcome, DomainError):
                    results[place] = refused(self, outcome)
                else:
                    results[place] = {"status": CAPTURED, "hold": captured(outcome), "error": None}
                is_replay = is_replay and not isinstance(outcome, DomainError) and outcome.is_replay
        return replayed(Response({"results": [results[place] for place in range(len(orders))]}), is_replay)


def refused(view: CreditsView, error: Exception) -> Result:
    """Return the result of a refusal: the problem with which the single call would have answered."""
    if isinstance(error, services.InvalidJob | services.UnknownOperation):
        error = field_error(error)
    answer = exception_handler(error, {"view": view, "args": (), "kwargs": {}, "request": view.request})
    assert answer is not None  # noqa: S101 - narrows the type; these errors all have an answer
    return {"status": answer.status_code, "hold": None, "error": answer.data}


def key_of(batch_key: str, place: int) -> str:
    """Return the key of one hold of a batch. A digest, so that it fits and meets no key that a client chose."""
    return f"batch:{hashlib.sha256(batch_key.encode()).hexdigest()}:{place}"
