"""What the portal's pages share: whose portal it is, how a subscription reads, and where to go next."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.sandbox import presentation, store
from billing.sandbox.errors import ResourceMissing
from billing.sandbox.pages import responses
from billing.sandbox.services import portal
from smartspec import clock

Data = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A subscription as its owner sees it; `amount` in the currency's smallest unit."""

    id: str
    name: str
    amount: int
    currency: str
    interval: str
    sentence: str
    is_ending: bool
    period_end: int
    tag: str = ""
    tag_kind: str = ""
    card: str = ""
    is_changing: bool = False


def find(secret: str) -> Data | None:
    try:
        return portal.find_session(secret, now=clock.now())
    except ResourceMissing:
        return None


def build_plan(subscription: Data) -> Plan:
    item = subscription["items"]["data"][0]
    price = item["price"]
    product = store.find_any(price["product"])
    end = item["current_period_end"]
    ends_at = subscription["cancel_at"] or (end if subscription["cancel_at_period_end"] else None)
    method_id = subscription["default_payment_method"]
    method = store.find_any(method_id) if method_id else None
    tag, tag_kind, sentence = "", "", f"Your plan renews on {presentation.format_day(end)}."
    scheduled = portal.find_scheduled(subscription)
    if scheduled:
        other, at = scheduled
        tag = f"Changes {presentation.format_day(at)}"
        sentence = f"Your plan changes to {_describe_price(other)} on {presentation.format_day(at)}."
    elif ends_at:
        tag, tag_kind = f"Ends {presentation.format_day(ends_at)}", "warm"
        sentence = f"Your plan ends on {presentation.format_day(ends_at)} and does not renew."
    elif subscription["status"] == "trialing":
        tag, sentence = (
            "Trial",
            f"Your trial ends on {presentation.format_day(end)}; your plan is charged from then on.",
        )
    elif subscription["status"] in ("past_due", "unpaid", "incomplete"):
        tag, tag_kind = "Payment overdue", "bad"
        sentence = "The latest payment did not go through. Pay the open invoice below, or add another card."
    return Plan(
        id=subscription["id"],
        name=product["name"] if product else price["id"],
        amount=sum((each["price"]["unit_amount"] or 0) * each["quantity"] for each in subscription["items"]["data"]),
        currency=subscription["currency"],
        interval=presentation.describe_interval(price["recurring"]),
        sentence=sentence,
        is_ending=bool(ends_at),
        period_end=end,
        tag=tag,
        tag_kind=tag_kind,
        card=f"Paid with {presentation.describe_method(method)}" if method else "",
        is_changing=scheduled is not None,
    )


def _describe_price(price: Data) -> str:
    product = store.find_any(price["product"])
    amount = presentation.format_money(price["unit_amount"] or 0, price["currency"])
    name = product["name"] if product else price["id"]
    return f"{name} at {amount} per {presentation.describe_interval(price['recurring'])}"


def find_subscription(session: Data, subscription_id: str) -> Data | None:
    """Return the customer's subscription of this id, None where there is none that has not ended."""
    return next((each for each in portal.list_subscriptions(session) if each["id"] == subscription_id), None)


def home_url(secret: str) -> str:
    """Return the address of the portal's home, past the page that a flow opens with."""
    return f"{reverse('sandbox_portal', args=[secret])}?from=flow"


def return_url(session: Data) -> str:
    return responses.linkable(session["return_url"] or portal.get_configuration(session)["default_return_url"])


def way_back(session: Data, secret: str) -> tuple[str, str]:
    """Where a page that a flow opened leads back to: out; any other one: to the portal's home."""
    if session["flow"] and (url := return_url(session)):
        return url, f"Return to {presentation.find_merchant_name()}"
    return home_url(secret), "Billing"


def flow_url(session: Data, secret: str) -> str:
    """Return the page that the session's flow opens with, or nothing."""
    flow = session["flow"]
    if flow and flow["type"] == "payment_method_update":
        return reverse("sandbox_portal_card", args=[secret])
    if flow and flow["type"] == "subscription_cancel":
        return reverse("sandbox_portal_cancel", args=[secret, flow["subscription_cancel"]["subscription"]])
    if flow and flow["type"] == "subscription_update":
        return reverse("sandbox_portal_plans", args=[secret, flow["subscription_update"]["subscription"]])
    if flow and flow["type"] == "subscription_update_confirm":
        wanted = flow["subscription_update_confirm"]
        return reverse("sandbox_portal_confirm", args=[secret, wanted["subscription"], wanted["items"][0]["price"]])
    return ""


def after_flow(session: Data, secret: str, *, kind: str, notice: str) -> str:
    """Return where to go when a page of this kind is done: what the flow says, else the portal's home."""
    flow = session["flow"]
    if flow and flow["type"] == kind and flow["after_completion"]["type"] == "redirect":
        url = responses.linkable(flow["after_completion"]["redirect"]["return_url"])
        if url:
            return url
    return f"{reverse('sandbox_portal', args=[secret])}?from={notice}"


def show_gone(request: HttpRequest, session: Data) -> HttpResponse:
    return responses.show_message(
        request,
        "There is no such subscription",
        "It may have ended already.",
        back_url=return_url(session),
        status=404,
    )


def show_unknown(request: HttpRequest) -> HttpResponse:
    return responses.show_message(
        request,
        "This link has expired",
        "A link to the billing portal works for an hour. Go back to where you came from and open it again.",
        status=404,
    )
