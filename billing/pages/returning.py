"""Where Stripe leads back to. These pages need no log-in: they tell what was bought, its state, and nobody's name."""

from datetime import datetime
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing import return_urls, selectors, services
from billing.models import CheckoutState, Interval, Purchase, SubscriptionCheckout
from credits import selectors as credits_selectors
from smartspec import clock
from smartspec.errors import DomainError

# How long the return page waits before it looks again, by state; what is not listed will not change by itself.
REFRESH_SECONDS = {CheckoutState.OPEN: 5, CheckoutState.PROCESSING: 10}
CAME_TO_NOTHING = (CheckoutState.EXPIRED, CheckoutState.FAILED)
# How long the result stands before it leads on by itself.
LEAD_ON_SECONDS = 5
SESSION_ID_PLACEHOLDER = "{CHECKOUT_SESSION_ID}"


@never_cache
@require_safe
def pay_return(request: HttpRequest) -> HttpResponse:
    """What was bought and where it stands. Fulfils it if it is paid; looks again by itself until it is final."""
    session_id = request.GET.get("session_id", "")
    checkout, is_stale = look_at(session_id, clock.now())
    if checkout is None:
        raise Http404("No such checkout.")
    state = CheckoutState(checkout.state)
    if request.headers.get("HX-Request") and request.GET.get("seen") == state:
        return HttpResponse(status=204)
    if request.headers.get("HX-Request"):
        # The whole page is asked for anew: what it leads on to, and when, stands in its head.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    status = selectors.get_checkout_status(checkout)
    is_fulfilled = state == CheckoutState.FULFILLED
    lead_on_url = checkout.success_url.replace(SESSION_ID_PLACEHOLDER, session_id)
    if state in CAME_TO_NOTHING:
        lead_on_url = checkout.cancel_url or lead_on_url
    context = {
        "checkout": checkout,
        "session_id": session_id,
        "state": str(state),
        "what": describe(checkout),
        "granted": status.credits_granted,
        "is_purchase": isinstance(checkout, Purchase),
        "is_stale": is_stale,
        "refresh_seconds": REFRESH_SECONDS.get(state),
        "lead_on_url": lead_on_url,
        "lead_on_seconds": LEAD_ON_SECONDS if is_fulfilled and lead_on_url else None,
    }
    return render(request, "billing/return.html", context)


def look_at(session_id: str, now: datetime) -> tuple[Purchase | SubscriptionCheckout | None, bool]:
    """Return the checkout as it is now; when Stripe cannot be asked, as we know it, and True."""
    try:
        return services.refresh_checkout(session_id=session_id, now=now), False
    except DomainError:
        return selectors.find_checkout(session_id=session_id), True


def describe(checkout: Purchase | SubscriptionCheckout) -> str:
    """Return what was chosen, in the language of the page."""
    if isinstance(checkout, SubscriptionCheckout):
        plan = credits_selectors.get_plan(checkout.plan).display_name
        is_yearly = checkout.interval == Interval.YEARLY
        return (gettext("%(plan)s plan, yearly") if is_yearly else gettext("%(plan)s plan, monthly")) % {"plan": plan}
    numbers = {
        "credits": number_format(checkout.credits, force_grouping=True),
        "bonus": number_format(checkout.bonus_credits, force_grouping=True),
    }
    if checkout.bonus_credits:
        both = ngettext(
            "%(credits)s credits and %(bonus)s bonus credit",
            "%(credits)s credits and %(bonus)s bonus credits",
            checkout.bonus_credits,
        )
        return both % numbers
    return ngettext("%(credits)s credit", "%(credits)s credits", checkout.credits) % numbers


@never_cache
@require_safe
def pay_cancel(request: HttpRequest) -> HttpResponse:
    """The buyer turned back before paying; the checkout stays open for a while."""
    try:
        checkout_id = UUID(request.GET.get("checkout", ""))
    except ValueError as error:
        raise Http404("No such checkout.") from error
    checkout = selectors.find_checkout_by_id(checkout_id=checkout_id)
    if checkout is None:
        raise Http404("No such checkout.")
    context = {
        "what": describe(checkout),
        "lead_on_url": checkout.cancel_url,
        "session_url": checkout.session_url if checkout.state == CheckoutState.OPEN else "",
    }
    return render(request, "billing/cancel.html", context)


@never_cache
@require_safe
def pay_back(request: HttpRequest) -> HttpResponse:
    """Back from the Customer Portal: leads on to the app's address, if it is on the allow-list."""
    to = request.GET.get("to", "")
    if not return_urls.is_allowed(to):
        raise Http404("This address is not allowed.")
    return render(request, "billing/back.html", {"lead_on_url": to})
