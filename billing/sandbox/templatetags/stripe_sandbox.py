"""Filters of the hosted pages."""

from django import template

from billing.sandbox import presentation

register = template.Library()


@register.filter
def money(amount: int, currency: str) -> str:
    """Write an amount in the currency's smallest unit."""
    return presentation.format_money(amount, currency)


@register.filter
def day(seconds: int) -> str:
    return presentation.format_day(seconds)


@register.filter
def moment(seconds: int) -> str:
    return presentation.format_moment(seconds)
