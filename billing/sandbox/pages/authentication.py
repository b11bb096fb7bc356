"""The page of the customer's bank."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from billing.sandbox import presentation, store
from billing.sandbox.errors import ResourceMissing, UnexpectedState
from billing.sandbox.pages import responses, timing
from billing.sandbox.services import authentication

Data = dict[str, Any]


@require_http_methods(["GET", "HEAD", "POST"])
def authenticate(request: HttpRequest, intent_id: str) -> HttpResponse:
    """3-D Secure: Complete or Fail, and on to where the payment came from."""
    try:
        found = authentication.get_authentication(intent_id)
    except ResourceMissing:
        return responses.show_message(request, "There is no such payment", status=404)
    url = _return_url(found)
    if request.method == "POST" and found.is_waiting:
        outcome: authentication.Outcome = "complete" if request.POST.get("outcome") == "complete" else "fail"
        try:
            return _lead_on(
                request, authentication.answer(intent_id, outcome=outcome, now=timing.now_of(intent_id)), url
            )
        except UnexpectedState:
            found = authentication.get_authentication(intent_id)
    if not found.is_waiting or (found.session is not None and found.session["status"] == "expired"):
        return _lead_on(request, found, url)
    payment_method = store.find_any(found.intent["payment_method"] or "")
    context = {
        "intent": found.intent,
        "amount": found.intent.get("amount"),
        "card": presentation.describe_method(payment_method) if payment_method else "",
    }
    return responses.show(request, "authenticate.html", context, leads_to=url)


def _lead_on(request: HttpRequest, found: authentication.Authentication, url: str) -> HttpResponse:
    """To the Checkout page, out of it, to the invoice, or to wherever the program that made the intent wants it."""
    session, intent = found.session, found.intent
    if session is not None and session["status"] != "complete":
        return HttpResponseRedirect(reverse("sandbox_checkout", args=[session["id"]]))
    if session is None and found.invoice is not None:
        return HttpResponseRedirect(reverse("sandbox_invoice", args=[found.invoice["id"]]))
    if responses.linkable(url):
        return responses.Leave(url)
    if intent["status"] == "succeeded":
        return responses.show_message(request, "Thank you", "You can close this page.")
    error = intent.get("last_payment_error") or intent.get("last_setup_error") or {}
    return responses.show_message(
        request, "This payment does not wait for you", error.get("message") or f"It is {intent['status']}."
    )


def _return_url(found: authentication.Authentication) -> str:
    if found.session is not None:
        return str(found.session["success_url"]).replace("{CHECKOUT_SESSION_ID}", found.session["id"])
    redirect = (found.intent["next_action"] or {}).get("redirect_to_url") or {}
    return str(redirect.get("return_url") or "")
