"""What billing shows on pages of apps below it: the plan, and what is wrong with it. Templates may meet every app."""

import re
from typing import Any

from django import template
from django.utils.translation import gettext, gettext_noop

from billing import selectors
from smartspec import clock
from smartspec.users.models import User

register = template.Library()

# What an invoice is for is said by Stripe, in English. These sentences have another form.
INVOICE_LINES = (
    (
        re.compile(r"(?P<credits>[\d,]+) SmartSpec Pro credits \+ (?P<bonus>[\d,]+) bonus"),
        gettext_noop("%(credits)s credits and %(bonus)s bonus credits"),
    ),
    (re.compile(r"(?P<credits>[\d,]+) SmartSpec Pro credits"), gettext_noop("%(credits)s credits")),
    (re.compile(r"1 × SmartSpec Pro: (?P<plan>\w+) \(at .+ / month\)"), gettext_noop("%(plan)s plan, monthly")),
    (re.compile(r"1 × SmartSpec Pro: (?P<plan>\w+) \(at .+ / year\)"), gettext_noop("%(plan)s plan, yearly")),
    (
        re.compile(r"(?:Unused|Remaining) time on (?:1 × )?SmartSpec Pro: (?P<plan>\w+) (?:\(.*\) )?after .+"),
        gettext_noop("Change of plan"),
    ),
)


@register.inclusion_tag("billing/plan_notice.html", takes_context=True)
def plan_notice(context: template.Context, user: User) -> dict[str, Any]:
    """`{% plan_notice user %}`: what is wrong with the user's subscription, and the button that mends it."""
    return {"subscription": subscription_of(context, user)}


@register.inclusion_tag("billing/plan_card.html", takes_context=True)
def plan_card(context: template.Context, user: User) -> dict[str, Any]:
    """`{% plan_card user %}`: the user's plan in a few lines."""
    return {"subscription": subscription_of(context, user), "user": user}


def subscription_of(context: template.Context, user: User) -> selectors.SubscriptionView:
    """Return the user's subscription, read once for each request, which may render more than one template."""
    found = context.get("subscription") or getattr(context["request"], "subscription_shown", None)
    if not isinstance(found, selectors.SubscriptionView):
        found = selectors.get_subscription_view(user_id=user.pk, now=clock.now())
        context["request"].subscription_shown = found
    return found


@register.filter
def invoice_line(description: str) -> str:
    """`{{ invoice.description|invoice_line }}`: what it is for; what has no other form stays as Stripe says it."""
    for pattern, sentence in INVOICE_LINES:
        match = pattern.fullmatch(description)
        if match:
            return gettext(sentence) % match.groupdict()
    return description
