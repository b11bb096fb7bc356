"""The customer's billing details in the portal."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from billing.sandbox import store
from billing.sandbox.errors import StripeError
from billing.sandbox.pages import responses, timing
from billing.sandbox.pages.portal import visits
from billing.sandbox.services import portal

Data = dict[str, Any]

LABELS = {"name": "Name", "email": "Email", "phone": "Phone"}
ADDRESS = {
    "line1": "Address",
    "line2": "Address line 2",
    "postal_code": "Postal code",
    "city": "City",
    "state": "State or province",
    "country": "Country (two letters)",
}


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, secret: str) -> HttpResponse:
    """Name, e-mail, phone and address, as far as the configuration lets them be changed."""
    session = visits.find(secret)
    if session is None:
        return visits.show_unknown(request)
    allowed = portal.allowed_details(session)
    if not allowed:
        return HttpResponseRedirect(visits.home_url(secret))
    refusal = ""
    values = _read(store.get("customer", session["customer"]))
    if request.method == "POST":
        values |= {name: request.POST[name].strip() for name in values.keys() & request.POST.keys()}
        try:
            portal.change_details(session=session, details=_write(values, allowed), now=timing.now_of(session["id"]))
            return HttpResponseRedirect(f"{reverse('sandbox_portal', args=[secret])}?from=details")
        except StripeError as error:
            refusal = error.message
    names = [name for name in allowed if name != "address"] + (list(ADDRESS) if "address" in allowed else [])
    fields = [{"name": name, "label": (LABELS | ADDRESS)[name], "value": values[name]} for name in names]
    context = {"fields": fields, "refusal": refusal, "back_url": visits.home_url(secret)}
    return responses.show(request, "portal_details.html", context)


def _read(customer: Data) -> dict[str, str]:
    address = customer["address"] or {}
    return {name: customer[name] or "" for name in LABELS} | {name: address.get(name) or "" for name in ADDRESS}


def _write(values: dict[str, str], allowed: list[str]) -> Data:
    details: Data = {name: values[name] for name in allowed if name != "address"}
    if "address" in allowed:
        address = {name: values[name] or None for name in ADDRESS}
        details["address"] = address if any(address.values()) else ""  # an empty string takes it away
    return details
