"""Refunds."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from billing import gateway
from billing.models import Refund
from billing.services.reconcile.comparing import Checks, Difference, Finding, Window, compare, first_then
from billing.services.reconcile.payments import find_payer, list_by_payment
from billing.services.refunds import send_refund, settle_refund
from smartspec.paging import in_pages

REFUNDS_CHANGE_FOR = timedelta(days=45)  # a refund that succeeded may still fail while the bank tries


def check_refunds(window: Window, now: datetime) -> Checks:
    """Stripe's refunds, and ours that may still change or were never sent."""
    for fetched in list_by_payment(window, gateway.list_refunds):
        yield compare_refund(fetched["id"], fetched, now)
    requested = Refund.objects.filter(status=Refund.Status.REQUESTED)
    for refund in in_pages(requested.filter(user_id=window.user_id) if window.user_id else requested):
        yield compare(
            refund.pk,
            lambda pk=refund.pk: look_at_request(pk),  # type: ignore[misc]
            lambda refund=refund: send_refund(refund=refund, now=now),  # type: ignore[misc]
        )
    recent = Q(status=Refund.Status.SUCCEEDED, created_at__gte=(window.since or now) - REFUNDS_CHANGE_FOR)
    unsettled = window.older(Refund.objects.filter(recent | Q(status__in=Refund.UNSETTLED)))
    for refund in in_pages(unsettled):
        yield compare_refund(refund.refund_id, None, now)


def look_at_request(refund_pk: UUID) -> Difference | None:
    refund = Refund.objects.get(pk=refund_pk)
    if refund.status != Refund.Status.REQUESTED:
        return None
    return Difference("refund_not_sent", str(refund.pk), str(refund.user_id), f"Asked for by {refund.actor}.")


def compare_refund(refund_id: str, fetched: dict[str, Any] | None, now: datetime) -> Finding | None:
    read = first_then(fetched, lambda: gateway.retrieve_refund(refund_id))
    return compare(refund_id, lambda: look_at_refund(read()), lambda: settle_refund(refund_id=refund_id, now=now))


def look_at_refund(fetched: dict[str, Any]) -> Difference | None:
    known = Refund.objects.filter(refund_id=fetched["id"]).first()
    if known is None:
        user_id = find_payer(fetched)
        return Difference("refund_not_clawed_back", fetched["id"], user_id, "Unknown here.") if user_id else None
    found = (known.status, known.amount_cents)
    if found == (fetched["status"], fetched["amount"]):
        return None
    detail = f"{found[0]} here, {fetched['status']} at Stripe."
    return Difference("refund_not_clawed_back", fetched["id"], str(known.user_id), detail)
