"""Disputes."""

from datetime import datetime
from typing import Any

from billing import gateway, selectors, stripe_data
from billing.models import Dispute
from billing.services.disputes import settle_dispute
from billing.services.reconcile.comparing import (
    Checks,
    Difference,
    Finding,
    Window,
    compare,
    first_then,
)
from billing.services.reconcile.payments import find_payer, list_by_payment
from smartspec.paging import in_pages


def check_disputes(window: Window, now: datetime) -> Checks:
    """Stripe's disputes, and ours that are not decided, whatever their age."""
    for fetched in list_by_payment(window, gateway.list_disputes):
        yield compare_dispute(fetched["id"], fetched, now)
    undecided = window.older(Dispute.objects.exclude(status__in=stripe_data.FINAL_DISPUTE_STATUSES))
    for dispute in in_pages(undecided):
        yield compare_dispute(dispute.pk, None, now)


def compare_dispute(dispute_id: str, fetched: dict[str, Any] | None, now: datetime) -> Finding | None:
    read = first_then(fetched, lambda: gateway.retrieve_dispute(dispute_id))
    return compare(dispute_id, lambda: look_at_dispute(read()), lambda: settle_dispute(dispute_id=dispute_id, now=now))


def look_at_dispute(fetched: dict[str, Any]) -> Difference | None:
    known = Dispute.objects.filter(pk=fetched["id"]).first()
    if known is None:
        charge = gateway.retrieve_charge(stripe_data.charge_id(fetched))
        customer = selectors.find_customer(stripe_data.object_id(charge.get("customer")))
        user_id = str(customer.user_id) if customer else find_payer(fetched)
        return Difference("dispute_not_applied", fetched["id"], user_id, "Unknown here.") if user_id else None
    is_reinstated = stripe_data.dispute_is_reinstated(fetched)
    if known.status == fetched["status"] and (known.is_reinstated or not is_reinstated):
        return None
    detail = f"{known.status} here, {fetched['status']} at Stripe."
    return Difference("dispute_not_applied", fetched["id"], str(known.user_id), detail)
