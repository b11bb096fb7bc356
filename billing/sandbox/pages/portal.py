"""The Customer Portal."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from billing.sandbox import presentation, store
from billing.sandbox.errors import CardDeclined, ResourceMissing, StripeError
from billing.sandbox.pages import invoices, responses, sample_cards, timing
from billing.sandbox.pages.forms import CardForm
from billing.sandbox.services import portal
from smartspec import clock

Data = dict[str, Any]
NOTICES = {
    "cancel": "Your subscription has been cancelled.",
    "resume": "Your subscription goes on.",
    "card": "Your payment method has been saved.",
    "set_default": "Your default payment method has been changed.",
    "remove": "Your payment method has been removed.",
}


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


@dataclass(frozen=True)
class Method:
    """A saved payment method as its owner sees it."""

    id: str
    label: str
    expiry: str
    is_default: bool
    can_go: bool

    @property
    def has_actions(self) -> bool:
        return self.can_go or not self.is_default


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest, secret: str) -> HttpResponse:
    """The page behind a portal session's `url`: the plan, what it is paid with, and what was paid."""
    session = _find(secret)
    if session is None:
        return _show_unknown(request)
    if request.method == "GET" and "from" not in request.GET and (flow := _flow_url(session, secret)):
        return HttpResponseRedirect(flow)
    refusal = ""
    if request.method == "POST":
        action = request.POST.get("action", "")
        try:
            _act(session, action, request)
            return HttpResponseRedirect(f"{reverse('sandbox_portal', args=[secret])}?from={action}")
        except StripeError as error:
            refusal = error.message
    features = portal.get_configuration(session)["features"]
    invoice_rows = [invoices.build_row(invoice) for invoice in portal.list_invoices(session)]
    context = {
        "headline": _headline(session),
        "return_url": _return_url(session),
        "notice": "" if refusal else NOTICES.get(request.GET.get("from", ""), ""),
        "refusal": refusal,
        "plans": [_build_plan(subscription) for subscription in portal.list_subscriptions(session)],
        "methods": _list_methods(session),
        "customer": store.get("customer", session["customer"]),
        "invoices": invoice_rows if features["invoice_history"]["enabled"] else None,
        "can_cancel": features["subscription_cancel"]["enabled"],
        "can_change_card": features["payment_method_update"]["enabled"],
        "card_url": reverse("sandbox_portal_card", args=[secret]),
    }
    return responses.show(request, "portal.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def add_card(request: HttpRequest, secret: str) -> HttpResponse:
    """A card of the customer's, which becomes the default."""
    session = _find(secret)
    if session is None:
        return _show_unknown(request)
    if not portal.get_configuration(session)["features"]["payment_method_update"]["enabled"]:
        return HttpResponseRedirect(reverse("sandbox_portal", args=[secret]) + "?from=flow")
    after = _after_flow(session, secret, kind="payment_method_update", notice="card")
    form = CardForm()
    if request.method == "POST":
        now = timing.now_of(session["id"])
        form = CardForm.read(request.POST)
        if form.is_valid(now=now, asks_email=False):
            try:
                portal.add_card(session=session, card=form.fields, now=now)
                return responses.Leave(after)
            except CardDeclined as error:
                form.note(message=error.message, param=error.param or "")
    back_url, back_label = _way_back(session, secret)
    context = {"form": form, "card_hints": sample_cards.list_hints(), "back_url": back_url, "back_label": back_label}
    return responses.show(request, "portal_card.html", context, leads_to=after if "://" in after else None)


@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, secret: str, subscription_id: str) -> HttpResponse:
    """One subscription, to be cancelled: where the flow `subscription_cancel` begins."""
    session = _find(secret)
    if session is None:
        return _show_unknown(request)
    found = next((each for each in portal.list_subscriptions(session) if each["id"] == subscription_id), None)
    if found is None:
        return responses.show_message(
            request,
            "There is no such subscription",
            "It may have ended already.",
            back_url=_return_url(session),
            status=404,
        )
    after = _after_flow(session, secret, kind="subscription_cancel", notice="cancel")
    if request.method == "POST":
        try:
            portal.cancel_subscription(
                session=session, subscription_id=subscription_id, now=timing.now_of(session["id"])
            )
            return responses.Leave(after)
        except StripeError as error:
            return responses.show_message(request, "This did not work", error.message, back_url=_return_url(session))
    plan = _build_plan(found)
    back_url, back_label = _way_back(session, secret)
    at_once = portal.get_configuration(session)["features"]["subscription_cancel"]["mode"] == "immediately"
    consequence = (
        "It ends at once."
        if at_once
        else f"It stays yours until {presentation.format_day(plan.period_end)}, and you are not charged again."
    )
    context = {"plan": plan, "back_url": back_url, "back_label": back_label, "consequence": consequence}
    return responses.show(request, "portal_cancel.html", context, leads_to=after if "://" in after else None)


def _find(secret: str) -> Data | None:
    try:
        return portal.find_session(secret, now=clock.now())
    except ResourceMissing:
        return None


def _act(session: Data, action: str, request: HttpRequest) -> None:
    """Do what a button of the home page says.

    :raises StripeError: when it cannot be done.
    """
    now = timing.now_of(session["id"])
    subscription_id = request.POST.get("subscription", "")
    payment_method_id = request.POST.get("payment_method", "")
    if action == "cancel":
        portal.cancel_subscription(session=session, subscription_id=subscription_id, now=now)
    elif action == "resume":
        portal.resume_subscription(session=session, subscription_id=subscription_id, now=now)
    elif action == "set_default":
        portal.set_default_payment_method(session=session, payment_method_id=payment_method_id, now=now)
    elif action == "remove":
        portal.remove_payment_method(session=session, payment_method_id=payment_method_id, now=now)
    else:
        raise StripeError(400, "Please choose what to do.")


def _build_plan(subscription: Data) -> Plan:
    item = subscription["items"]["data"][0]
    price = item["price"]
    product = store.find_any(price["product"])
    end = item["current_period_end"]
    ends_at = subscription["cancel_at"] or (end if subscription["cancel_at_period_end"] else None)
    method_id = subscription["default_payment_method"]
    method = store.find_any(method_id) if method_id else None
    tag, tag_kind, sentence = "", "", f"Your plan renews on {presentation.format_day(end)}."
    if ends_at:
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
    )


def _list_methods(session: Data) -> list[Method]:
    default = portal.default_payment_method(session)
    is_needed = bool(portal.list_subscriptions(session))
    return [
        Method(
            id=method["id"],
            label=presentation.describe_method(method),
            expiry=presentation.format_expiry(method["card"]) if method["type"] == "card" else "",
            is_default=method["id"] == default,
            can_go=not (is_needed and method["id"] == default),
        )
        for method in portal.list_payment_methods(session)
    ]


def _headline(session: Data) -> str:
    profile = portal.get_configuration(session)["business_profile"]
    return str(profile["headline"] or f"{presentation.find_merchant_name()} partners with a sandbox for billing.")


def _return_url(session: Data) -> str:
    return responses.linkable(session["return_url"] or portal.get_configuration(session)["default_return_url"])


def _way_back(session: Data, secret: str) -> tuple[str, str]:
    """Where a page that a flow opened leads back to: out; any other one: to the portal's home."""
    if session["flow"] and (url := _return_url(session)):
        return url, f"Return to {presentation.find_merchant_name()}"
    return f"{reverse('sandbox_portal', args=[secret])}?from=flow", "Billing"


def _flow_url(session: Data, secret: str) -> str:
    """Return the page that the session's flow opens with, or nothing."""
    flow = session["flow"]
    if flow and flow["type"] == "payment_method_update":
        return reverse("sandbox_portal_card", args=[secret])
    if flow and flow["type"] == "subscription_cancel":
        return reverse("sandbox_portal_cancel", args=[secret, flow["subscription_cancel"]["subscription"]])
    return ""


def _after_flow(session: Data, secret: str, *, kind: str, notice: str) -> str:
    """Return where to go when a page of this kind is done: what the flow says, else the portal's home."""
    flow = session["flow"]
    if flow and flow["type"] == kind and flow["after_completion"]["type"] == "redirect":
        url = responses.linkable(flow["after_completion"]["redirect"]["return_url"])
        if url:
            return url
    return f"{reverse('sandbox_portal', args=[secret])}?from={notice}"


def _show_unknown(request: HttpRequest) -> HttpResponse:
    return responses.show_message(
        request,
        "This link has expired",
        "A link to the billing portal works for an hour. Go back to where you came from and open it again.",
        status=404,
    )
