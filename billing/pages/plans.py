"""The plans: what each gives, starting one, changing it with a look at the outcome first, cancelling and resuming."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing import selectors, services
from billing.models import Interval
from billing.pages.buying import lead_to_checkout
from billing.pages.refusals import carry_out, sentence_of
from credits import selectors as credits_selectors
from smartspec import clock
from smartspec.errors import DomainError
from smartspec.pages import button_of, limited, signed_in

# Stripe's own list of reasons (cancellation_details.feedback), so that its reports count them.
CANCEL_REASONS = [
    ("", gettext_lazy("I'd rather not say")),
    ("too_expensive", gettext_lazy("It is too expensive")),
    ("unused", gettext_lazy("I don't use it enough")),
    ("missing_features", gettext_lazy("Something that I need is missing")),
    ("low_quality", gettext_lazy("The results are not good enough")),
    ("switched_service", gettext_lazy("I use another service now")),
    ("too_complex", gettext_lazy("It is too complicated")),
    ("customer_service", gettext_lazy("I was not helped well")),
    ("other", gettext_lazy("Something else")),
]


class PlanForm(forms.Form):
    plan = forms.ChoiceField(choices=[(plan, plan) for plan in selectors.PAID_PLANS])
    interval = forms.ChoiceField(choices=Interval.choices)


class ConfirmForm(PlanForm):
    """A change that was looked at. The key makes a second click the same change."""

    key = forms.UUIDField()


class CancelForm(forms.Form):
    reason = forms.ChoiceField(choices=CANCEL_REASONS, required=False)


@dataclass(frozen=True)
class Offer:
    """A plan as its card shows it. `action` is what its button does: subscribe, change, cancel, current or none."""

    plan: Any
    price_cents: int
    saving_cents: int
    action: str
    is_step_up: bool


# --- Looking ------------------------------------------------------------------------------------------------------


@login_required
@limited("stripe", methods=("POST",))
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def plans(request: HttpRequest) -> HttpResponse:
    """The plans side by side; a Subscribe button opens the hosted checkout."""
    now = clock.now()
    user = signed_in(request)
    if request.method == "POST":
        form = PlanForm(request.POST)
        if form.is_valid():
            wanted = form.cleaned_data
            return lead_to_checkout(
                request,
                lambda: services.open_subscription_checkout(
                    user=user, plan=wanted["plan"], interval=wanted["interval"], now=now
                ),
                back_to="account-plans",
            )
        messages.error(request, gettext("Choose a plan and how to pay."))
        return HttpResponseRedirect(reverse("account-plans"))
    subscription = selectors.get_subscription_view(user_id=user.pk, now=now)
    interval = read_interval(request, subscription)
    known = credits_selectors.list_plans()
    context = {
        "subscription": subscription,
        "interval": interval,
        "offers": [offer_of(plan, interval, subscription, known) for plan in known],
        "largest_saving": max((saving_percent(plan) for plan in known), default=0),
        "features": features_of(known),
    }
    return render(request, "billing/plans.html", context)


def read_interval(request: HttpRequest, subscription: selectors.SubscriptionView) -> str:
    """Return the interval whose prices are asked for; without a question, that of the user's own subscription."""
    given = request.GET.get("interval", "")
    return given if given in Interval.values else subscription.interval or str(Interval.MONTHLY)


def offer_of(plan: Any, interval: str, subscription: selectors.SubscriptionView, known: list[Any]) -> Offer:
    """Return a plan as its card shows it to this user."""
    is_yearly = interval == Interval.YEARLY
    is_paid = plan.price_monthly_cents > 0
    if subscription.id is None:
        action = "subscribe" if is_paid else "current"
    elif (plan.slug, interval) == (subscription.plan, subscription.interval):
        action = "current"
    elif is_paid:
        action = "change"
    else:
        action = "none" if subscription.is_cancelled else "cancel"
    positions = {known_plan.slug: known_plan.position for known_plan in known}
    return Offer(
        plan=plan,
        price_cents=plan.price_yearly_cents if is_yearly else plan.price_monthly_cents,
        saving_cents=plan.price_monthly_cents * 12 - plan.price_yearly_cents if is_yearly else 0,
        action=action,
        is_step_up=plan.position > positions[subscription.plan],
    )


def saving_percent(plan: Any) -> int:
    """Return how many percent a year costs less than twelve months, rounded down."""
    year_cents = plan.price_monthly_cents * 12
    return (year_cents - plan.price_yearly_cents) * 100 // year_cents if year_cents else 0


def features_of(plans: list[Any]) -> list[tuple[str, list[bool]]]:
    """Return every feature, in the order in which plans bring them, and which plan has it."""
    slugs = dict.fromkeys(feature for plan in plans for feature in plan.features)
    return [(slug, [slug in plan.features for plan in plans]) for slug in slugs]


# --- Changing -----------------------------------------------------------------------------------------------------


@login_required
@limited("stripe")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def change_plan(request: HttpRequest) -> HttpResponse:
    """What a change would cost and bring; and, once confirmed, the change."""
    user, now = signed_in(request), clock.now()
    subscription = selectors.get_subscription_view(user_id=user.pk, now=now)
    form = (ConfirmForm if request.method == "POST" else PlanForm)(request.POST or request.GET)
    if subscription.id is None or not form.is_valid():
        return HttpResponseRedirect(reverse("account-plans"))
    wanted = form.cleaned_data
    is_preview = request.method != "POST"
    try:
        answer = services.change_plan(
            user=user,
            subscription_id=subscription.id,
            new_plan=wanted["plan"],
            new_interval=wanted["interval"],
            preview=is_preview,
            now=now,
            idempotency_key=None if is_preview else f"page:{wanted['key']}",
        )
    except DomainError as refusal:
        messages.error(request, sentence_of(refusal))
        return HttpResponseRedirect(reverse("account-plans"))
    new = credits_selectors.get_plan(wanted["plan"])
    if not is_preview:
        return tell_change(request, answer, new.display_name)
    context = {
        "subscription": subscription,
        "old": credits_selectors.get_plan(subscription.plan),
        "new": new,
        "interval": wanted["interval"],
        "price_cents": new.price_yearly_cents if wanted["interval"] == Interval.YEARLY else new.price_monthly_cents,
        "answer": answer,
        "is_now": answer.status == "done",
        "key": uuid4(),
    }
    return render(request, "billing/change_plan.html", context)


def tell_change(request: HttpRequest, answer: services.PlanChangeAnswer, plan: str) -> HttpResponseRedirect:
    """Tell what a change did; a bank that wants to be asked is asked on Stripe's page."""
    if answer.status == "requires_action" and answer.action_url:
        return HttpResponseRedirect(answer.action_url)
    if answer.status == "done":  # what is scheduled stands on the page, with the button that takes it back
        messages.success(request, gettext("You are on %(plan)s now.") % {"plan": plan})
    return HttpResponseRedirect(reverse("account-plans"))


@button_of("account-plans")
@limited("stripe")
def undo_change(request: HttpRequest) -> HttpResponse:
    """Take back a scheduled change: the plan goes on as it is."""
    user, now = signed_in(request), clock.now()
    return carry_out(
        request,
        lambda: services.cancel_pending_change(
            user=user, subscription_id=request.POST.get("subscription_id", ""), now=now
        ),
        done=gettext("The change was taken back. Your plan goes on as it is."),
        back_to="account-plans",
    )


# --- Ending and going on ------------------------------------------------------------------------------------------


@login_required
@limited("stripe", methods=("POST",))
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def cancel_plan(request: HttpRequest) -> HttpResponse:
    """What a cancellation ends and what is kept; and, once confirmed, the end with the paid period."""
    user, now = signed_in(request), clock.now()
    if request.method == "POST":
        form = CancelForm(request.POST)
        reason = form.cleaned_data["reason"] if form.is_valid() else ""
        return carry_out(
            request,
            lambda: services.cancel_subscription(
                user=user,
                subscription_id=request.POST.get("subscription_id", ""),
                at_period_end=True,
                now=now,
                feedback=reason,
            ),
            done=gettext("Your plan ends with the paid period. Until then you can resume it here."),
            back_to="account-plans",
        )
    subscription = selectors.get_subscription_view(user_id=user.pk, now=now)
    if subscription.id is None or subscription.is_cancelled:
        return HttpResponseRedirect(reverse("account-plans"))
    free = credits_selectors.get_plan("free")
    context = {
        "subscription": subscription,
        "free": free,
        "lost": [slug for slug in subscription.features if slug not in free.features],
        "reasons": CANCEL_REASONS,
    }
    return render(request, "billing/cancel_plan.html", context)


@button_of("account-plans")
@limited("stripe")
def resume_plan(request: HttpRequest) -> HttpResponse:
    """Go on with a plan that was to end."""
    user, now = signed_in(request), clock.now()
    return carry_out(
        request,
        lambda: services.reactivate_subscription(
            user=user, subscription_id=request.POST.get("subscription_id", ""), now=now
        ),
        done=gettext("Your plan goes on."),
        back_to="account-plans",
    )
