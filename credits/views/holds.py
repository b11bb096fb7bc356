"""Holds: a person sees their own; workers place and settle them."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from credits import selectors, services
from credits.serializers.holds import (
    CapturedHoldSerializer,
    CaptureOrderSerializer,
    ExtendedHoldSerializer,
    ExtendOrderSerializer,
    HoldListSerializer,
    HoldOrderSerializer,
    HoldsQuerySerializer,
    PlacedHoldSerializer,
    RefundedHoldSerializer,
    RefundOrderSerializer,
    ReleasedHoldSerializer,
    ReleaseOrderSerializer,
)
from credits.views.base import SpendsCredits, field_error
from smartspec import clock
from smartspec.api import Endpoint, caller_id, idempotency_key, read_body, read_query, replayed, shown
from smartspec.logs import get_logger

log = get_logger(__name__)

HOLDS_SHOWN = 1000

KEY_REQUIRED = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, required=True)
KEY_TAKEN = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)


class HoldsView(Endpoint):
    permissions_by_method: ClassVar[dict[str, type[BasePermission]]] = {"POST": SpendsCredits}

    @extend_schema(
        operation_id="list_holds",
        parameters=[HoldsQuerySerializer],
        responses=HoldListSerializer,
    )
    def get(self, request: Request) -> Response:
        """My credits that are reserved for jobs, the newest thousand first."""
        query = read_query(request, HoldsQuerySerializer)
        now = clock.now()
        holds = selectors.list_holds(account_id=caller_id(request), status=query.get("status"), now=now)
        answer = {"holds": holds[:HOLDS_SHOWN]}
        return Response(HoldListSerializer(answer, context={"now": now}).data)

    @extend_schema(
        operation_id="place_hold",
        parameters=[KEY_REQUIRED],
        request=HoldOrderSerializer,
        responses={201: PlacedHoldSerializer},
    )
    def post(self, request: Request) -> Response:
        """Reserve what a job costs, before it runs."""
        key = idempotency_key(request, required=True)
        assert key is not None  # noqa: S101 - narrows the type; it was required
        order = read_body(request, HoldOrderSerializer)
        try:
            hold = services.place_hold(account_id=order.pop("user_id"), idempotency_key=key, now=clock.now(), **order)
        except (services.InvalidJob, services.UnknownOperation) as refusal:
            raise field_error(refusal) from refusal
        return replayed(Response(placed(hold), status=201), hold.is_replay)


class CaptureView(Endpoint):
    permission_classes = (SpendsCredits,)

    @extend_schema(
        operation_id="capture_hold",
        parameters=[KEY_TAKEN],
        request=CaptureOrderSerializer,
        responses=CapturedHoldSerializer,
    )
    def post(self, request: Request, hold_id: str) -> Response:
        """Spend what was held: all of it, or less, and the rest goes back."""
        order = read_body(request, CaptureOrderSerializer)
        settled = services.capture_hold(
            hold_id=hold_id, idempotency_key=idempotency_key(request), now=clock.now(), **order
        )
        return replayed(Response(captured(settled)), settled.is_replay)


class ReleaseView(Endpoint):
    permission_classes = (SpendsCredits,)

    @extend_schema(
        operation_id="release_hold",
        parameters=[KEY_TAKEN],
        request=ReleaseOrderSerializer,
        responses=ReleasedHoldSerializer,
    )
    def post(self, request: Request, hold_id: str) -> Response:
        """Let what was held go: a failed job costs nothing."""
        reason = read_body(request, ReleaseOrderSerializer).get("reason", "")
        settled = services.release_hold(
            hold_id=hold_id, reason=reason, idempotency_key=idempotency_key(request), now=clock.now()
        )
        if not settled.is_replay:
            log.info("Hold released", hold_id=hold_id, reason=reason)
        answer = ReleasedHoldSerializer({"id": hold_id, "status": settled.hold.status}).data
        return replayed(Response(answer), settled.is_replay)


class ExtendView(Endpoint):
    permission_classes = (SpendsCredits,)

    @extend_schema(
        operation_id="extend_hold",
        parameters=[KEY_TAKEN],
        request=ExtendOrderSerializer,
        responses=ExtendedHoldSerializer,
    )
    def post(self, request: Request, hold_id: str) -> Response:
        """Let a hold live longer: `ttl_seconds` from now, at most 24 hours in all."""
        order = read_body(request, ExtendOrderSerializer)
        settled = services.extend_hold(
            hold_id=hold_id, idempotency_key=idempotency_key(request), now=clock.now(), **order
        )
        answer = ExtendedHoldSerializer({"id": hold_id, "expires_at": settled.hold.expires_at}).data
        return replayed(Response(answer), settled.is_replay)


class RefundView(Endpoint):
    permission_classes = (SpendsCredits,)

    @extend_schema(
        operation_id="refund_hold",
        parameters=[KEY_TAKEN],
        request=RefundOrderSerializer,
        responses=RefundedHoldSerializer,
    )
    def post(self, request: Request, hold_id: str) -> Response:
        """Give back what was captured for an output that turned out worthless: once, all or less."""
        order = read_body(request, RefundOrderSerializer)
        settled = services.refund_capture(
            hold_id=hold_id, idempotency_key=idempotency_key(request), now=clock.now(), **order
        )
        answer = RefundedHoldSerializer({"id": hold_id, "transaction": settled.entry}).data
        return replayed(Response(answer), settled.is_replay)


def placed(hold: services.PlacedHold) -> dict[str, Any]:
    """Return the answer of a hold that was placed."""
    return shown(hold, PlacedHoldSerializer)


def captured(settled: services.Settled) -> dict[str, Any]:
    """Return the answer of a hold that was captured."""
    answer = {"id": settled.hold.public_id, "status": settled.hold.status, "transaction": settled.entry}
    return shown(answer, CapturedHoldSerializer)
