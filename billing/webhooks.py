"""Intake of Stripe's webhooks: verify, store, enqueue, answer. Nothing here acts on an event or calls Stripe."""

import ipaddress
import json
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from djstripe.models import WebhookEventTrigger

from billing import gateway, handlers, selectors, services, stripe_data
from billing.models import Purchase, Webhook, WebhookRefusal
from smartspec import clock
from smartspec.api import problem_response
from smartspec.logs import get_logger
from smartspec.users import selectors as users_selectors

log = get_logger(__name__)

# Of a call that we keep, these headers help to understand it; cookies and the like are nobody's business.
KEPT_HEADERS = ("Content-Type", "Stripe-Signature", "User-Agent")


class WebhookRefused(gateway.SignatureInvalid):
    """The call is not for us, or not what Stripe sends. `cause` says which, for counting."""

    code = "webhook_refused"
    title = "Webhook refused"


@csrf_exempt
def stripe_webhook(request: HttpRequest) -> JsonResponse:
    """POST /api/webhooks/stripe: 200 once the event is stored; 400, and nothing kept but a count, for anything else.

    A failure to store is an error 500, so that Stripe sends the event again.
    """
    if request.method != "POST":
        response = problem_response(
            HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "Stripe sends webhooks by POST."
        )
        response["Allow"] = "POST"
        return response
    now = clock.now()
    try:
        event = read_event(request, now)
    except gateway.SignatureInvalid as refusal:
        cause = str(refusal.context["cause"])
        count_refusal(cause, now)
        log.warning("Refused a Stripe webhook", cause=cause)
        return problem_response(HTTPStatus.BAD_REQUEST, refusal.code, refusal.detail)
    store(event, request, now)
    return JsonResponse({"received": True})


def read_event(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Return the event in a call that proved to come from Stripe, for this account and mode.

    :raises gateway.SignatureInvalid: it did not.
    :raises WebhookRefused: it did, but is no event, or another account's.
    """
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise WebhookRefused("The body is too large.", cause="too_large") from error
    gateway.verify_signature(body=body, header=request.headers.get("Stripe-Signature", ""), now=now)
    try:
        event = json.loads(body)
        is_event = (
            event["object"] == "event"
            and isinstance(event["id"], str)
            and isinstance(event["type"], str)
            and isinstance(event["data"]["object"], dict)
        )
    except (ValueError, TypeError, KeyError) as error:
        raise WebhookRefused("The body is no event.", cause="malformed") from error
    if not is_event:
        raise WebhookRefused("The body is no event.", cause="malformed")
    if event.get("livemode") is not settings.STRIPE_LIVE_MODE:
        raise WebhookRefused("The event is of the other mode (live or test).", cause="wrong_mode")
    if event.get("account"):
        # Only events of accounts connected to ours name an account; we have none.
        raise WebhookRefused("The event is of another account.", cause="wrong_account")
    return dict(event)


def store(event: dict[str, Any], request: HttpRequest, now: datetime) -> None:
    """Keep the event and enqueue its two jobs, together or not at all. From here on it is ours to finish.

    A repeated delivery is stored and worked on again: both jobs may run any number of times.
    """
    webhook = Webhook(
        event_id=event["id"],
        event_type=event["type"],
        object_id=str(stripe_data.event_object(event).get("id") or ""),
        customer_id=stripe_data.event_customer_id(event),
        user_id=find_user_id(event),
        received_at=now,
    )
    is_erased = users_selectors.is_erased(user_id=webhook.user_id)
    with transaction.atomic():
        webhook.trigger = WebhookEventTrigger.objects.create(
            remote_ip=remote_ip(request),
            headers={name: request.headers[name] for name in KEPT_HEADERS if name in request.headers},
            body=json.dumps(stripe_data.without_person(event)) if is_erased else request.body.decode(),
            valid=True,
        )
        services.enqueue_webhook(webhook=webhook, is_effective=webhook.event_type in handlers.HANDLERS)
    log.info(
        "Received Stripe webhook",
        event_id=webhook.event_id,
        event_type=webhook.event_type,
        user_id=str(webhook.user_id or ""),
        customer_id=webhook.customer_id,
        object_id=webhook.object_id,
    )


def find_user_id(event: dict[str, Any]) -> UUID | None:
    """Return the id of the user that an event is about; None when it does not say, or is about nobody of ours."""
    user_id = selectors.owner_of_customer(stripe_data.event_customer_id(event))
    if user_id is not None:
        return user_id
    about = stripe_data.event_object(event)
    payment_intent_id = stripe_data.payment_intent_id(about)  # refunds and disputes name no customer
    if payment_intent_id and (purchase := Purchase.objects.filter(payment_intent_id=payment_intent_id).first()):
        return purchase.user_id
    named = services.find_user(stripe_data.metadata(about).get(stripe_data.USER_ID, ""))
    return named.pk if named else None


def remote_ip(request: HttpRequest) -> str:
    """Return the address that the call came from; a proxy's header is not trusted with it."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - no address is known (a unix socket), nothing is bound


def count_refusal(cause: str, now: datetime) -> None:
    """Count a refused call in its minute."""
    row = {"minute_at": now.replace(second=0, microsecond=0), "cause": cause}
    if WebhookRefusal.objects.filter(**row).update(count=F("count") + 1):
        return
    try:
        with transaction.atomic():
            WebhookRefusal.objects.create(**row, count=1)
    except IntegrityError:
        WebhookRefusal.objects.filter(**row).update(count=F("count") + 1)
