"""What staff are told beside a plan's prices: whether Stripe's are the same."""

from typing import Any

from django import template

from billing import gateway, services

register = template.Library()


@register.inclusion_tag("admin/billing/plan_prices.html")
def plan_prices(plan: Any) -> dict[str, Any]:
    """`{% plan_prices original %}`: each price in use, compared with what Stripe says of it at this moment."""
    try:
        return {"checks": services.check_prices(plan) if plan else []}
    except gateway.StripeUnavailable as error:
        return {"checks": [], "error": str(error)}
