"""The sandbox seen from outside: test cards, open debits, sessions, events, webhooks; for people without curl."""

import json
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from billing.sandbox import store
from billing.sandbox.errors import ResourceMissing, UnexpectedState
from billing.sandbox.models import Delivery
from billing.sandbox.pages import responses, sample_cards, timing
from billing.sandbox.services import debits

Data = dict[str, Any]

SESSIONS, EVENTS = 15, 40
SESSION_TAGS = {"complete": "good", "expired": "", "open": "warm"}
DELIVERY_TAGS = {"delivered": "good", "waiting": "warm", "given_up": "bad", "dropped": "bad"}


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Everything that somebody who tries the product out may look for."""
    event_rows = list(store.rows("event")[:EVENTS])
    deliveries: dict[str, list[Data]] = {row.id: [] for row in event_rows}
    for delivery in Delivery.objects.filter(event__id__in=list(deliveries)).order_by("pk"):
        deliveries[delivery.event_id].append(_describe(delivery))
    cards, more_cards = sample_cards.list_cards()
    context = {
        "api_base": settings.STRIPE_API_BASE,
        "has_mail": settings.MAIL_SANDBOX,
        "cards": cards,
        "more_cards": more_cards,
        "debits": [debit | {"person": _person(debit)} for debit in debits.list_open_debits()],
        "sessions": [
            row.data
            | {
                "person": _person(row.data),
                "amount_total": row.data["amount_total"] or 0,
                "tag_kind": SESSION_TAGS[row.data["status"]],
            }
            for row in store.rows("checkout.session")[:SESSIONS]
        ],
        "events": [
            row.data | {"object_id": row.data["data"]["object"].get("id", ""), "deliveries": deliveries[row.id]}
            for row in event_rows
        ],
    }
    return responses.show(request, "index.html", context)


@require_safe
def event(request: HttpRequest, event_id: str) -> HttpResponse:
    """One event: its body and what its endpoints answered."""
    try:
        found = store.get("event", event_id)
    except ResourceMissing:
        return responses.show_message(
            request,
            "There is no such event",
            back_url=reverse("sandbox_index"),
            back_label="To the sandbox's overview",
            status=404,
        )
    deliveries = Delivery.objects.filter(event__id=event_id).select_related("endpoint").order_by("pk")
    context = {
        "event": found,
        "deliveries": [_describe(delivery) | {"url": delivery.endpoint.data["url"]} for delivery in deliveries],
        "body": json.dumps(found, indent=2, ensure_ascii=False),
    }
    return responses.show(request, "event.html", context)


@require_POST
def settle_debit(request: HttpRequest, intent_id: str) -> HttpResponse:
    """The bank's answer to a debit, by hand; one that came meanwhile stays as it is."""
    outcome: Literal["succeed", "fail"] = "succeed" if request.POST.get("outcome") == "succeed" else "fail"
    try:
        debits.settle_debit(intent_id, outcome=outcome, now=timing.now_of(intent_id))
    except ResourceMissing:
        return responses.show_message(request, "There is no such debit", status=404)
    except UnexpectedState:
        pass  # settled before, by the bank's own answer or another click: the page that follows shows how
    index_url = reverse("sandbox_index")
    after = request.POST.get("next", "")
    return HttpResponseRedirect(after if after.startswith(index_url) else index_url)


def _describe(delivery: Delivery) -> Data:
    words = {
        Delivery.State.DELIVERED: "delivered",
        Delivery.State.WAITING: "waiting" if not delivery.attempts else "will be tried again",
        Delivery.State.GIVEN_UP: "given up",
    }
    return {
        "words": words[Delivery.State(delivery.state)],
        "tag_kind": DELIVERY_TAGS[delivery.state],
        "attempts": delivery.attempts,
        "latest_status": delivery.latest_status,
        "latest_answer": delivery.latest_answer,
        "latest_attempt_at": delivery.latest_attempt_at,
    }


def _person(data: Data) -> str:
    """Return the e-mail of whom a session or an intent belongs to, else its name or id."""
    details = data.get("customer_details") or {}
    customer = store.find_any(data["customer"]) if data["customer"] else None
    return str(
        details.get("email")
        or (customer and (customer["email"] or customer["name"] or customer["id"]))
        or data.get("customer_email")
        or data.get("receipt_email")
        or ""
    )
