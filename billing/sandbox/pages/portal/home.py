"""The portal's first page."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from billing.sandbox import presentation, store
from billing.sandbox.errors import StripeError
from billing.sandbox.pages import invoices, responses, timing
from billing.sandbox.pages.portal import visits
from billing.sandbox.services import portal

Data = dict[str, Any]
NOTICES = {
    "cancel": "Your subscription has been cancelled.",
    "resume": "Your subscription goes on.",
    "card": "Your payment method has been saved.",
    "set_default": "Your default payment method has been changed.",
    "remove": "Your payment method has been removed.",
    "switch": "Your plan has been updated.",
    "keep": "Your plan stays as it is.",
    "details": "Your billing details have been saved.",
}


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
    session = visits.find(secret)
    if session is None:
        return visits.show_unknown(request)
    if request.method == "GET" and "from" not in request.GET and (flow := visits.flow_url(session, secret)):
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
        "return_url": visits.return_url(session),
        "notice": "" if refusal else NOTICES.get(request.GET.get("from", ""), ""),
        "refusal": refusal,
        "plans": [_show_plan(session, secret, subscription) for subscription in portal.list_subscriptions(session)],
        "methods": _list_methods(session),
        "customer": store.get("customer", session["customer"]),
        "invoices": invoice_rows if features["invoice_history"]["enabled"] else None,
        "can_change_card": features["payment_method_update"]["enabled"],
        "card_url": reverse("sandbox_portal_card", args=[secret]),
        "details_url": reverse("sandbox_portal_details", args=[secret]) if portal.allowed_details(session) else "",
    }
    return responses.show(request, "portal.html", context)


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
    elif action == "keep":
        portal.keep_plan(session=session, subscription_id=subscription_id, now=now)
    elif action == "set_default":
        portal.set_default_payment_method(session=session, payment_method_id=payment_method_id, now=now)
    elif action == "remove":
        portal.remove_payment_method(session=session, payment_method_id=payment_method_id, now=now)
    else:
        raise StripeError(400, "Please choose what to do.")


def _show_plan(session: Data, secret: str, subscription: Data) -> Data:
    """Return a plan with the pages that change it, empty where it may not be."""
    may_cancel = portal.get_configuration(session)["features"]["subscription_cancel"]["enabled"]
    plan = visits.build_plan(subscription)
    arguments = [secret, subscription["id"]]
    return {
        "plan": plan,
        "switch_url": reverse("sandbox_portal_plans", args=arguments)
        if portal.list_prices(session, subscription)
        else "",
        "cancel_url": reverse("sandbox_portal_cancel", args=arguments) if may_cancel and not plan.is_changing else "",
    }


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
