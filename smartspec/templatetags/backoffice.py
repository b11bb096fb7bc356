"""Words on the pages of the back-office."""

from django import template

register = template.Library()


@register.filter
def in_words(name: str) -> str:
    """Write a name that programs use as a person would: "staff_actions" is "Staff actions"."""
    return name.replace("_", " ").capitalize()
