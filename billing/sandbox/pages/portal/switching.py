"""Switching plans in the portal: a choice, what it costs, and a button."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from billing.sandbox import presentation, store
from billing.sandbox.errors import StripeError
from billing.sandbox.pages import responses, timing
from billing.sandbox.pages.portal import visits
from billing.sandbox.services import portal

Data = dict[str, Any]


@dataclass(frozen=True)
class Offer:
    """A price that the subscription may be switched to; `amount` in the currency's smallest unit."""

    name: str
    amount: int
    currency: str
    interval: str
    url: str


@require_safe
def choose(request: HttpRequest, secret: str, subscription_id: str) -> HttpResponse:
    """The plans on offer: where the flow `subscription_update` begins."""
    session = visits.find(secret)
    if session is None:
        return visits.show_unknown(request)
    found = visits.find_subscription(session, subscription_id)
    if found is None:
        return visits.show_gone(request, session)
    back_url, back_label = visits.way_back(session, secret)
    context = {
        "plan": visits.build_plan(found),
        "offers": [_offer(price, secret, subscription_id) for price in portal.list_prices(session, found)],
        "back_url": back_url,
        "back_label": back_label,
    }
    return responses.show(request, "portal_plans.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, secret: str, subscription_id: str, price_id: str) -> HttpResponse:
    """What one switch costs and when it takes effect; the button makes it."""
    session = visits.find(secret)
    if session is None:
        return visits.show_unknown(request)
    found = visits.find_subscription(session, subscription_id)
    if found is None:
        return visits.show_gone(request, session)
    choice: dict[str, Any] = {
        "session": session,
        "subscription_id": subscription_id,
        "price_id": price_id,
        "now": timing.now_of(session["id"]),
    }
    after = visits.after_flow(session, secret, kind=_flow_kind(session), notice="switch")
    refusal = ""
    try:
        if request.method == "POST":
            switched = portal.switch_plan(**choice)
            if switched.status == "requires_authentication":
                return HttpResponseRedirect(reverse("sandbox_authenticate", args=[switched.intent]))
            return responses.Leave(after)
    except StripeError as error:
        refusal = error.message
    try:
        switch = portal.preview_switch(**choice)
    except StripeError as error:
        return responses.show_message(
            request, "This did not work", refusal or error.message, back_url=visits.home_url(secret)
        )
    offer = _offer(switch.price, secret, subscription_id)
    context = {
        "plan": visits.build_plan(found),
        "offer": offer,
        "lines": switch.preview["lines"]["data"] if switch.preview else [],
        "due": switch.preview["amount_due"] if switch.preview else 0,
        "covered": switch.preview["total"] - switch.preview["amount_due"] if switch.preview else 0,
        "waits_until": "" if switch.preview else presentation.format_day(switch.at),
        "refusal": refusal,
        "back_url": reverse("sandbox_portal_plans", args=[secret, subscription_id]),
    }
    return responses.show(request, "portal_confirm.html", context, leads_to=after if "://" in after else None)


def _flow_kind(session: Data) -> str:
    """Both flows of a change end here."""
    kind = (session["flow"] or {}).get("type", "")
    return kind if kind == "subscription_update_confirm" else "subscription_update"


def _offer(price: Data, secret: str, subscription_id: str) -> Offer:
    product = store.find_any(price["product"])
    return Offer(
        name=product["name"] if product else price["id"],
        amount=price["unit_amount"] or 0,
        currency=price["currency"],
        interval=presentation.describe_interval(price["recurring"]),
        url=reverse("sandbox_portal_confirm", args=[secret, subscription_id, price["id"]]),
    )
