"""What billing shows on pages of apps below it: the plan, and what is wrong with it. Templates may meet every app."""

from typing import Any

from django import template

from billing import selectors
from smartspec import clock
from smartspec.users.models import User

register = template.Library()


@register.inclusion_tag("billing/plan_notice.html", takes_context=True)
def plan_notice(context: template.Context, user: User) -> dict[str, Any]:
    """`{% plan_notice user %}`: what is wrong with the user's subscription, and the button that mends it."""
    return {"subscription": subscription_of(context, user)}


@register.inclusion_tag("billing/plan_card.html", takes_context=True)
def plan_card(context: template.Context, user: User) -> dict[str, Any]:
    """`{% plan_card user %}`: the user's plan in a few lines."""
    return {"subscription": subscription_of(context, user)}


def subscription_of(context: template.Context, user: User) -> selectors.SubscriptionView:
    """Return the user's subscription, read once for each request, which may render more than one template."""
    found = context.get("subscription") or getattr(context["request"], "subscription_shown", None)
    if not isinstance(found, selectors.SubscriptionView):
        found = selectors.get_subscription_view(user_id=user.pk, now=clock.now())
        context["request"].subscription_shown = found
    return found
