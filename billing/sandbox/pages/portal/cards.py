"""A card that is added in the portal."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from billing.sandbox.errors import CardDeclined
from billing.sandbox.pages import responses, sample_cards, timing
from billing.sandbox.pages.forms import CardForm
from billing.sandbox.pages.portal import visits
from billing.sandbox.services import portal


@require_http_methods(["GET", "HEAD", "POST"])
def add_card(request: HttpRequest, secret: str) -> HttpResponse:
    """A card of the customer's, which becomes the default."""
    session = visits.find(secret)
    if session is None:
        return visits.show_unknown(request)
    if not portal.get_configuration(session)["features"]["payment_method_update"]["enabled"]:
        return HttpResponseRedirect(reverse("sandbox_portal", args=[secret]) + "?from=flow")
    after = visits.after_flow(session, secret, kind="payment_method_update", notice="card")
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
    back_url, back_label = visits.way_back(session, secret)
    context = {"form": form, "card_hints": sample_cards.list_hints(), "back_url": back_url, "back_label": back_label}
    return responses.show(request, "portal_card.html", context, leads_to=after if "://" in after else None)
