"""What templates ask about people."""

from django import template

from smartspec.users import selectors
from smartspec.users.models import User

register = template.Library()


@register.filter
def has_verified_email(user: User) -> bool:
    """`{% if user|has_verified_email %}`: the address that they log in with is confirmed."""
    return selectors.has_verified_email(user)
