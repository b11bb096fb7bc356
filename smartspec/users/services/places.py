"""Where people log in from."""

from datetime import datetime
from ipaddress import IPv4Address, ip_address, ip_network

from django.db import transaction

from smartspec.users.models import LogInPlace, User

# What a provider gives to one customer, or a few: an address of theirs changes within it.
IPV4_PREFIX, IPV6_PREFIX = 24, 48


def note_log_in_place(*, user: User, address: str, now: datetime) -> bool:
    """This will note from which network somebody logged in, and tell whether they never did from there, but did from
    another. Of two log-ins at once from a new place, one is told so.
    """
    places = LogInPlace.objects.filter(user=user)
    with transaction.atomic():
        has_others = places.exists()
        _, is_new = places.update_or_create(user=user, network=network_of(address), defaults={"last_at": now})
    return has_others and is_new


def network_of(address: str) -> str:
    """Return the network that an address is in, as `203.0.113.0/24` or `2001:db8:7::/48`."""
    parsed = ip_address(address)
    if not isinstance(parsed, IPv4Address):
        parsed = parsed.ipv4_mapped or parsed
    prefix = IPV4_PREFIX if isinstance(parsed, IPv4Address) else IPV6_PREFIX
    return str(ip_network((parsed, prefix), strict=False))
