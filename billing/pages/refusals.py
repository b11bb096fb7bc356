"""What a page says when a service refuses, in the language of the page."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from smartspec.errors import DomainError

# By the refusal's stable code. What is not listed is shown as the service says it.
SENTENCES = {
    "stripe_unavailable": gettext_lazy(
        "The payment provider cannot be reached. Nothing was charged; please try again in a moment."
    ),
    "payments_not_configured": gettext_lazy("Payments are not set up on this server yet. Please try again later."),
    "stripe_refused": gettext_lazy(
        "The payment provider refused this. Nothing was charged; please try again, or contact our support."
    ),
    "account_frozen": gettext_lazy("Your account is frozen. Please contact our support."),
    "already_subscribed": gettext_lazy("You already have a subscription. You can change its plan here."),
    "not_found": gettext_lazy("This is not yours, or it is gone."),
    "subscription_ended": gettext_lazy("This subscription has ended. Choose a plan to start a new one."),
    "subscription_not_active": gettext_lazy("A payment of your subscription is open. Please settle it first."),
    "no_pending_change": gettext_lazy("No change of plan is scheduled."),
    "no_change": gettext_lazy("You already have this plan."),
    "change_in_progress": gettext_lazy("An earlier change still waits for your confirmation at the bank."),
    "change_under_way": gettext_lazy("Your subscription is changing right now. Please try again in a moment."),
    "change_not_available": gettext_lazy(
        "This change cannot be scheduled. Cancel at the end of the paid period and subscribe again then."
    ),
    "idempotency_conflict": gettext_lazy("This page was out of date. Please look at it once more."),
    "sync_contended": gettext_lazy("Your subscription is changing right now. Please try again in a moment."),
}
# What Stripe says about a card: https://docs.stripe.com/declines/codes has the full list.
CARD_SENTENCES = {
    "Your card was declined.": gettext_lazy("Your card was declined."),
    "Your card was declined. Your plan has not changed.": gettext_lazy(
        "Your card was declined. Your plan has not changed."
    ),
    "Your card has insufficient funds.": gettext_lazy("Your card has insufficient funds."),
    "Your card has expired.": gettext_lazy("Your card has expired."),
}


def sentence_of(refusal: DomainError) -> str:
    """Return what to tell a person about a refusal."""
    known = SENTENCES.get(refusal.code) or CARD_SENTENCES.get(refusal.detail)
    return str(known or gettext(refusal.detail))


def carry_out(request: HttpRequest, call: Callable[[], Any], *, done: str, back_to: str) -> HttpResponseRedirect:
    """Call a service, tell what came of it on the page that it leads back to: `done`, or why not."""
    try:
        call()
    except DomainError as refusal:
        messages.error(request, sentence_of(refusal))
    else:
        messages.success(request, done)
    return HttpResponseRedirect(reverse(back_to))
