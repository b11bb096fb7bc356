"""Buying credits: the packages, any other amount with its price, and the way to the hosted checkout."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from billing import pricing, selectors, services
from billing.pages.refusals import sentence_of
from credits import selectors as credits_selectors
from smartspec import clock
from smartspec.errors import DomainError
from smartspec.pages import limited, signed_in

SUGGESTED_AMOUNT = 150
STEPS = (-50, 50)


class BuyForm(forms.Form):
    credits_amount = forms.IntegerField(min_value=pricing.MIN_CREDITS, max_value=pricing.MAX_CREDITS)


@login_required
@limited("stripe", methods=("POST",))
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def buy(request: HttpRequest) -> HttpResponse:
    """The packages, and the price of any other amount; a Buy button opens the hosted checkout."""
    now = clock.now()
    user = signed_in(request)
    if request.method == "POST":
        form = BuyForm(request.POST)
        if form.is_valid():
            amount = form.cleaned_data["credits_amount"]
            return lead_to_checkout(
                request,
                lambda: services.open_credits_checkout(user=user, credits_amount=amount, now=now),
                back_to="account-buy",
            )
        messages.error(request, refused_amount())
        return HttpResponseRedirect(reverse("account-buy"))
    context = {
        "balance": credits_selectors.get_balance(account_id=user.pk, now=now),
        "packages": selectors.list_packages(),
        "min_credits": pricing.MIN_CREDITS,
        "max_credits": pricing.MAX_CREDITS,
        "custom_price_cents": pricing.CUSTOM_CREDIT_PRICE_CENTS,
        "steps": STEPS,
        **quoted(request),
    }
    return render(request, "billing/buy.html", context)


def quoted(request: HttpRequest) -> dict[str, Any]:
    """Return the amount that the page asks about, one step further if a step was clicked, and its price."""
    given = request.GET.get("credits_amount", str(SUGGESTED_AMOUNT))
    form = BuyForm({"credits_amount": given})
    step = request.GET.get("step", "")
    if form.is_valid():
        amount = form.cleaned_data["credits_amount"]
        if step in map(str, STEPS):
            amount = min(max(amount + int(step), pricing.MIN_CREDITS), pricing.MAX_CREDITS)
        return {"amount": amount, "quote": selectors.get_quote(credits_amount=amount)}
    return {"amount": given[:10], "quote": None, "refusal": refused_amount()}


def refused_amount() -> str:
    """Return what is said of an amount that cannot be bought."""
    limits = {
        "min": number_format(pricing.MIN_CREDITS, force_grouping=True),
        "max": number_format(pricing.MAX_CREDITS, force_grouping=True),
    }
    return gettext("Choose a whole number from %(min)s to %(max)s.") % limits


@login_required
@limited("stripe")
@never_cache
@require_safe
def saved_cards(request: HttpRequest) -> HttpResponse:
    """The cards that the checkout will offer; asked for by the page once it stands, since Stripe has to answer."""
    try:
        context: dict[str, Any] = {"cards": selectors.list_payment_methods(user_id=signed_in(request).pk)}
    except DomainError as refusal:
        context = {"refusal": sentence_of(refusal)}
    return render(request, "billing/saved_cards.html", context)


def lead_to_checkout(
    request: HttpRequest, open_checkout: Callable[[], services.OpenedCheckout], *, back_to: str
) -> HttpResponse:
    """Redirect to the hosted checkout, or back with the reason why not."""
    try:
        opened = open_checkout()
    except DomainError as refusal:
        messages.error(request, sentence_of(refusal))
        return HttpResponseRedirect(reverse(back_to))
    response = HttpResponseRedirect(opened.url)
    response.status_code = 303
    return response
