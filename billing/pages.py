"""Account pages for people without the app, and the pages that Stripe leads back to (which need no log-in)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing import pricing, return_urls, selectors, services
from billing.models import CheckoutState, Interval, Purchase, SubscriptionCheckout
from credits import selectors as credits_selectors
from smartspec import clock
from smartspec.errors import DomainError
from smartspec.users.models import User

# How long the return page waits before it looks again, by state; what is not listed will not change by itself.
REFRESH_SECONDS = {CheckoutState.OPEN: 5, CheckoutState.PROCESSING: 10}
# How long the result stands before it leads on by itself.
LEAD_ON_SECONDS = 5
SESSION_ID_PLACEHOLDER = "{CHECKOUT_SESSION_ID}"


class BuyForm(forms.Form):
    credits_amount = forms.IntegerField(min_value=pricing.MIN_CREDITS, max_value=pricing.MAX_CREDITS)


class SubscribeForm(forms.Form):
    plan = forms.ChoiceField(choices=[(plan, plan) for plan in ("pro", "enterprise")])
    interval = forms.ChoiceField(choices=Interval.choices)


# --- Signed in ----------------------------------------------------------------------------------------------------


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def buy(request: HttpRequest) -> HttpResponse:
    """The packages and the custom amount; a Buy button opens the hosted checkout."""
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
        messages.error(request, f"Choose a whole number from {pricing.MIN_CREDITS:,} to {pricing.MAX_CREDITS:,}.")
        return HttpResponseRedirect(reverse("account-buy"))
    context = {
        "balance": credits_selectors.get_balance(account_id=user.pk, now=now),
        "packages": [
            {"package": package, "price": dollars(package.price_cents)} for package in selectors.list_packages()
        ],
        "min_credits": pricing.MIN_CREDITS,
        "max_credits": pricing.MAX_CREDITS,
        "custom_price": dollars(pricing.CUSTOM_CREDIT_PRICE_CENTS),
    }
    return render(request, "billing/buy.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def plans(request: HttpRequest) -> HttpResponse:
    """The plans; a Subscribe button opens the hosted checkout."""
    now = clock.now()
    user = signed_in(request)
    if request.method == "POST":
        form = SubscribeForm(request.POST)
        if form.is_valid():
            wanted = form.cleaned_data
            return lead_to_checkout(
                request,
                lambda: services.open_subscription_checkout(
                    user=user, plan=wanted["plan"], interval=wanted["interval"], now=now
                ),
                back_to="account-plans",
            )
        messages.error(request, "Choose a plan and an interval.")
        return HttpResponseRedirect(reverse("account-plans"))
    context = {
        "subscription": selectors.get_subscription_view(user_id=user.pk, now=now),
        "plans": [
            {
                "plan": plan,
                "monthly_price": dollars(plan.price_monthly_cents),
                "yearly_price": dollars(plan.price_yearly_cents),
            }
            for plan in credits_selectors.list_plans()
        ],
    }
    return render(request, "billing/plans.html", context)


@login_required
@require_POST
def cancel_plan(request: HttpRequest) -> HttpResponse:
    """End the subscription with its paid period, or go on with it (`resume`)."""
    user, now = signed_in(request), clock.now()
    subscription_id = request.POST.get("subscription_id", "")
    try:
        if "resume" in request.POST:
            services.reactivate_subscription(user=user, subscription_id=subscription_id, now=now)
            messages.success(request, "Your plan goes on.")
        else:
            services.cancel_subscription(user=user, subscription_id=subscription_id, at_period_end=True, now=now)
            messages.success(request, "Your plan ends with the paid period.")
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    return HttpResponseRedirect(reverse("account-plans"))


@login_required
@require_POST
def portal(request: HttpRequest) -> HttpResponse:
    """Open Stripe's Customer Portal."""
    user = signed_in(request)
    try:
        url = services.open_portal(
            user=user, return_url=f"{settings.SITE_URL}{reverse('account-plans')}", now=clock.now()
        )
    except DomainError as refusal:
        messages.error(request, refusal.detail)
        return HttpResponseRedirect(reverse("account-plans"))
    return HttpResponseRedirect(url)


def lead_to_checkout(request: HttpRequest, open_checkout: Any, *, back_to: str) -> HttpResponse:
    """Redirect to the hosted checkout, or back with the reason why not."""
    try:
        opened: services.OpenedCheckout = open_checkout()
    except DomainError as refusal:
        messages.error(request, refusal.detail)
        return HttpResponseRedirect(reverse(back_to))
    response = HttpResponseRedirect(opened.url)
    response.status_code = 303
    return response


def signed_in(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker; login_required has made sure
    return request.user


def dollars(cents: int) -> str:
    """Return a price as people read it: $9, $12.33."""
    whole, rest = divmod(cents, 100)
    return f"${whole:,}.{rest:02d}" if rest else f"${whole:,}"


# --- Where Stripe leads back to -----------------------------------------------------------------------------------


@never_cache
@require_safe
def pay_return(request: HttpRequest) -> HttpResponse:
    """What was bought and where it stands. Fulfils it if it is paid; looks again by itself until it is final."""
    session_id = request.GET.get("session_id", "")
    checkout, is_stale = look_at(session_id, clock.now())
    if checkout is None:
        raise Http404("No such checkout.")
    state = CheckoutState(checkout.state)
    status = selectors.get_checkout_status(checkout)
    is_fulfilled = state == CheckoutState.FULFILLED
    lead_on_url = checkout.success_url.replace(SESSION_ID_PLACEHOLDER, session_id)
    context = {
        "checkout": checkout,
        "state": str(state),
        "what": describe(checkout),
        "granted": status.credits_granted,
        "is_purchase": isinstance(checkout, Purchase),
        "is_stale": is_stale,
        "refresh_seconds": REFRESH_SECONDS.get(state),
        "lead_on_url": lead_on_url if is_fulfilled else checkout.cancel_url or lead_on_url,
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
    if isinstance(checkout, SubscriptionCheckout):
        return f"{credits_selectors.get_plan(checkout.plan).display_name} plan, {checkout.interval}"
    bonus = f" and {checkout.bonus_credits:,} bonus credits" if checkout.bonus_credits else ""
    return f"{checkout.credits:,} credits{bonus}"


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
