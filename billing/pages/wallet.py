"""Invoices, cards and Stripe's Customer Portal. All of it lives at Stripe, which may not answer."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing import selectors, services
from billing.pages.refusals import carry_out, sentence_of
from smartspec import clock
from smartspec.errors import DomainError
from smartspec.pages import button_of, limited, signed_in

INVOICES_PER_PAGE = 12


@login_required
@limited("stripe")
@never_cache
@require_safe
def billing(request: HttpRequest) -> HttpResponse:
    """Invoices, the next payment and the cards; what Stripe does not answer is said to be missing, not left out."""
    user, now = signed_in(request), clock.now()
    context: dict[str, Any] = {"subscription": selectors.get_subscription_view(user_id=user.pk, now=now)}
    try:
        invoices, has_more = selectors.list_invoices(
            user_id=user.pk, limit=INVOICES_PER_PAGE, starting_after=request.GET.get("after", "")
        )
        context |= {
            "invoices": invoices,
            "has_more": has_more,
            "is_first_page": "after" not in request.GET,
            "cards": selectors.list_payment_methods(user_id=user.pk),
            "upcoming": selectors.get_upcoming_invoice(user_id=user.pk),
        }
    except DomainError as refusal:
        context["refusal"] = sentence_of(refusal)
    return render(request, "billing/billing.html", context)


@button_of("account-billing")
@limited("stripe")
def make_default_card(request: HttpRequest, card_id: str) -> HttpResponse:
    """Let renewals be paid by this card."""
    user = signed_in(request)
    return carry_out(
        request,
        lambda: services.make_default_payment_method(user=user, payment_method_id=card_id),
        done=gettext("Renewals are paid by this card from now on."),
        back_to="account-billing",
    )


@button_of("account-billing")
@limited("stripe")
def remove_card(request: HttpRequest, card_id: str) -> HttpResponse:
    """Take a card away."""
    user = signed_in(request)
    return carry_out(
        request,
        lambda: services.delete_payment_method(user=user, payment_method_id=card_id),
        done=gettext("The card was removed."),
        back_to="account-billing",
    )


@button_of("account-billing")
@limited("stripe")
def portal(request: HttpRequest) -> HttpResponse:
    """Open Stripe's Customer Portal."""
    user = signed_in(request)
    try:
        url = services.open_portal(
            user=user, return_url=f"{settings.SITE_URL}{reverse('account-billing')}", now=clock.now()
        )
    except DomainError as refusal:
        messages.error(request, sentence_of(refusal))
        return HttpResponseRedirect(reverse("account-billing"))
    return HttpResponseRedirect(url)
