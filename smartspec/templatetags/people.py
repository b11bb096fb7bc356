"""What templates ask about people."""

import re

from django import template
from django.utils.translation import gettext

from smartspec.users import selectors
from smartspec.users.models import User

register = template.Library()

# What a user agent names last and least comes first here: Edge calls itself Chrome and Safari too.
BROWSERS = (
    ("Tauri", "SmartSpec Pro"),
    ("SmartSpec", "SmartSpec Pro"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)
# A program that shows mail would make a link of it, or we a paragraph or a button.
MORE_THAN_A_NAME = re.compile(r"[:/@\x00-\x1f\x7f-\x9f\u2028\u2029]|\w\.\w\w")


@register.filter
def greetable(name: str) -> str:
    """`{{ user.name|greetable }}`: the name, or nothing if it is one that writes more into a mail than a name."""
    return "" if MORE_THAN_A_NAME.search(name) else name


@register.filter
def has_verified_email(user: User) -> bool:
    """`{% if user|has_verified_email %}`: the address that they log in with is confirmed. Asked once a request."""
    known = vars(user)
    if "_is_verified" not in known:
        known["_is_verified"] = selectors.has_verified_email(user)
    return bool(known["_is_verified"])


@register.filter
def device_name(user_agent: str) -> str:
    """`{{ session.user_agent|device_name }}`: Firefox, Windows."""
    browser = next((name for sign, name in BROWSERS if sign in user_agent), "")
    system = next((name for sign, name in SYSTEMS if sign in user_agent), "")
    return ", ".join(filter(None, [browser, system])) or user_agent[:40] or gettext("Unknown device")
