"""What callers do, each as one operation."""

import json
import random
from uuid import UUID

from billing.sandbox.bench.people import PURCHASED, Cast, Event, Person, signed
from smartspec.bench.load import MakeVisit, Visit, once, request

INTAKE = "/api/webhooks/stripe"
# Of a hundred: what a day looks like, with more webhooks and checkouts than there would be.
MIXTURE = {"balance": 40, "history": 15, "quote": 15, "hold + capture": 26, "webhook": 2, "checkout": 2}


def of(cast: Cast) -> dict[str, MakeVisit]:
    """Return every kind of visit by its name."""

    def somebody(chance: random.Random) -> Person:
        return chance.choice(cast.people)

    def balance(chance: random.Random) -> bytes:
        return request("GET", "/api/credits/balance", somebody(chance).headers)

    def history(chance: random.Random) -> bytes:
        return request("GET", "/api/credits/transactions?limit=20", somebody(chance).headers)

    def quote(chance: random.Random) -> bytes:
        job = {"operation": "image_generation", "quality": "hd"}
        return request("POST", "/api/credits/quote", somebody(chance).headers, json.dumps(job).encode())

    def hold_and_capture(chance: random.Random) -> Visit:
        key = new_key(chance)
        order = {"user_id": str(somebody(chance).user.pk), "operation": "image_generation", "reference_id": key}
        headers = cast.worker | {"Idempotency-Key": key}
        held = yield request("POST", "/api/credits/holds", headers, json.dumps(order).encode())
        yield request("POST", f"/api/credits/holds/{json.loads(held.body)['id']}/capture", cast.worker, b"{}")

    def checkout(chance: random.Random) -> bytes:
        headers = somebody(chance).headers | {"Idempotency-Key": new_key(chance)}
        body = json.dumps({"credits_amount": PURCHASED}).encode()
        return request("POST", "/api/payment/checkout/credits", headers, body)

    def webhook(chance: random.Random) -> bytes:
        # One event more, with an id of its own, about a purchase that was fulfilled before.
        return request("POST", INTAKE, *signed(cast.event | {"id": f"evt_bench{new_key(chance)}"}))

    return {
        "balance": once(balance),
        "history": once(history),
        "quote": once(quote),
        "hold + capture": hold_and_capture,
        "webhook": once(webhook),
        "checkout": once(checkout),
    }


def each_webhook(events: list[Event], path: str) -> MakeVisit:
    """Return what brings each of these events once, to an address."""
    left = iter(events)

    def make(chance: random.Random) -> bytes:
        return request("POST", path, *signed(next(left)))

    return once(make)


def mixture(kinds: dict[str, MakeVisit]) -> MakeVisit:
    """Return a mixture of visits, as a day has them."""

    def make(chance: random.Random) -> Visit:
        (name,) = chance.choices(list(MIXTURE), list(MIXTURE.values()))
        return kinds[name](chance)

    return make


def new_key(chance: random.Random) -> str:
    return UUID(int=chance.getrandbits(128)).hex
