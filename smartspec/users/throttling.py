"""How often a caller may call: one counter in the database for each caller, exact whatever runs at the same time."""

import ipaddress
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from smartspec import clock
from smartspec.users.models import ApiKey

if TYPE_CHECKING:  # rest_framework.views itself imports this module, by its settings
    from rest_framework.views import APIView

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# A caller whose limit is this high is counted in blocks: a process takes a block of calls from the counter and hands
# them out from memory, so that a worker with 1,000 calls a second does not write one row 1,000 times a second.
# What was not taken from the counter is never handed out, so the limit is never passed; close to it, a caller may be
# refused what another process still holds.
BLOCKS_ABOVE_CALLS = 20_000
BLOCKS_PER_WINDOW = 200

# A server whose clock is a little behind counts into the window that another server has begun.
COUNT = """
INSERT INTO users_ratecount AS count (key, window_number, calls, expires_at)
VALUES (%(key)s, %(window)s, %(calls)s, %(expires_at)s)
ON CONFLICT (key) DO UPDATE SET
    calls = CASE WHEN excluded.window_number IN (count.window_number, count.window_number - 1)
                 THEN count.calls + excluded.calls ELSE excluded.calls END,
    window_number = CASE WHEN excluded.window_number = count.window_number - 1
                         THEN count.window_number ELSE excluded.window_number END,
    expires_at = excluded.expires_at
RETURNING calls
"""


@dataclass(frozen=True)
class Rate:
    """So many calls in each window of so many seconds."""

    calls: int
    window_seconds: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Return the rate of `600/m` (600 a minute); s, m, h and d are known."""
        calls, _, unit = text.partition("/")
        return cls(calls=int(calls), window_seconds=SECONDS[unit])

    def window(self, now: datetime) -> int:
        """Return the number of the window that a moment lies in."""
        return int(now.timestamp()) // self.window_seconds

    def seconds_left(self, now: datetime) -> int:
        """Return the whole seconds until the window ends, at least 1."""
        return self.window_seconds - int(now.timestamp()) % self.window_seconds

    @property
    def block(self) -> int:
        """Return how many calls are taken from the counter at once."""
        return 1 if self.calls < BLOCKS_ABOVE_CALLS else self.calls // BLOCKS_PER_WINDOW


@dataclass
class Block:
    """Calls that this process took from a counter and has not handed out."""

    window: int
    calls: int


_blocks: dict[str, Block] = {}
_blocks_lock = threading.Lock()


def count_call(*, key: str, rate: Rate, now: datetime) -> bool:
    """Count one call of a caller and tell whether it is within the rate."""
    window = rate.window(now)
    if rate.block == 1:
        return take_calls(key=key, rate=rate, now=now, calls=1) == 1
    with _blocks_lock:
        held = _blocks.get(key)
        if held is None or held.window != window or held.calls == 0:
            held = _blocks[key] = Block(window, take_calls(key=key, rate=rate, now=now, calls=rate.block))
        if held.calls == 0:
            return False
        held.calls -= 1
        return True


def take_calls(*, key: str, rate: Rate, now: datetime, calls: int) -> int:
    """Take up to `calls` calls from the counter of the present window and return how many were left to take."""
    window = rate.window(now)
    expires_at = datetime.fromtimestamp((window + 1) * rate.window_seconds, UTC)
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"key": key, "window": window, "calls": calls, "expires_at": expires_at})
        counted: int = cursor.fetchone()[0]
    return max(0, min(calls, rate.calls - (counted - calls)))


def client_address(request: HttpRequest) -> str:
    """Return the caller's address; of IPv6 the /64 that one customer of a provider has."""
    address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
    return str(address)


class CallerThrottle(BaseThrottle):
    """Counts each call against its caller: the key and the user it belongs to, or the user, or else the address.

    The rates are settings.THROTTLE_RATES. A view that costs more may set `throttle_rate`, such as `30/m`, which each
    caller has for this view alone.
    """

    retry_after_seconds: int | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        now = clock.now()
        limits = [(caller, settings.THROTTLE_RATES[kind]) for kind, caller in callers(request)]
        own_rate = getattr(view, "throttle_rate", None)
        if own_rate is not None:
            limits.append((f"{limits[-1][0]}:{type(view).__name__}", own_rate))
        return all(self.is_within(key, Rate.parse(text), now) for key, text in limits)

    def is_within(self, key: str, rate: Rate, now: datetime) -> bool:
        if count_call(key=key, rate=rate, now=now):
            return True
        self.retry_after_seconds = rate.seconds_left(now)
        return False

    def wait(self) -> Any:
        return self.retry_after_seconds


def callers(request: Request) -> list[tuple[str, str]]:
    """Return who is calling as (kind of rate, counter), the widest last."""
    key = request.auth
    if isinstance(key, ApiKey):
        if key.user_id is None:
            return [("service_key", f"key:{key.pk}")]
        return [("key", f"key:{key.pk}"), ("user", f"user:{key.user_id}")]
    if request.user.is_authenticated:
        return [("user", f"user:{request.user.pk}")]
    return [("address", f"address:{client_address(request)}")]


def count_refused_credentials(request: Request) -> int | None:
    """Count a call with bad credentials against its address; return the seconds to wait when there were too many."""
    now = clock.now()
    rate = Rate.parse(settings.THROTTLE_RATES["address"])
    if count_call(key=f"address:{client_address(request)}", rate=rate, now=now):
        return None
    return rate.seconds_left(now)
