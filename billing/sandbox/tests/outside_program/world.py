"""A Stripe with plans to subscribe to, and people with clocks of their own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

START = int(datetime(2026, 1, 31, 9, 0, tzinfo=UTC).timestamp())
FEBRUARY, MARCH = (int(datetime(2026, month, day, 9, 0, tzinfo=UTC).timestamp()) for month, day in ((2, 28), (3, 31)))
HOUR, DAY = 3600, 86400
PATIENCE_SECONDS = 120


class Untrue(Exception):
    """Something is not as Stripe's documentation says."""


def expect(what: str, found: object, wanted: object) -> None:
    """:raises Untrue: unless both are equal."""
    if found != wanted:
        raise Untrue(f"{what}: {found!r}, not {wanted!r}")


@contextmanager
def refused(kind: type[stripe.StripeError], code: str | None = None, param: str | None = None) -> Iterator[None]:
    """:raises Untrue: unless Stripe refuses what is tried inside, by this kind of error, code and parameter."""
    try:
        yield
    except kind as error:
        if code is not None:
            expect("the error's code", error.code, code)
        if param is not None:
            expect("the error's param", getattr(error, "param", None), param)
        return
    raise Untrue(f"no {kind.__name__}")


@dataclass
class Customer:
    """Somebody with a test clock of their own."""

    world: "World"
    id: str
    clock: str

    def use_card(self, name: str) -> str:
        """Attach one of the named cards and pay with it from now on."""
        method = self.world.api.payment_methods.attach(name, params={"customer": self.id})
        settings: Any = {"invoice_settings": {"default_payment_method": method.id}}
        self.world.api.customers.update(self.id, params=settings)
        return method.id

    def subscribe(self, price: str, **params: Any) -> Any:
        given: Any = {"customer": self.id, "items": [{"price": price}], **params}
        return self.world.api.subscriptions.create(params=given)

    def advance(self, to: int) -> None:
        """Move the clock, and wait until it stands still."""
        clocks = self.world.api.test_helpers.test_clocks
        expect("a clock that was sent on", clocks.advance(self.clock, params={"frozen_time": to}).status, "advancing")
        given_up_at = time.monotonic() + PATIENCE_SECONDS
        while (clock := clocks.retrieve(self.clock)).status == "advancing":
            if time.monotonic() > given_up_at:
                raise Untrue("the clock does not arrive")
            time.sleep(0.2)
        expect("the clock's status", (clock.status, clock.frozen_time), ("ready", to))

    @property
    def balance(self) -> int:
        found: int = self.world.api.customers.retrieve(self.id).balance  # type: ignore[assignment]
        return found

    def events(self, *types: str) -> list[str]:
        """Return what was said about this customer, the oldest first."""
        found = []
        for event in self.world.api.events.list(params={"limit": 100}).auto_paging_iter():
            about = event.to_dict()["data"]["object"]
            if self.id in (about.get("customer"), about.get("id")):
                found.append(event.type)
        return [name for name in reversed(found) if not types or name in types]


class World:
    """A Stripe, with two plans to subscribe to."""

    def __init__(self, base: str, key: str) -> None:
        self.client = stripe.StripeClient(key, base_addresses={"api": base}, max_network_retries=0)
        self.api = self.client.v1
        product = self.api.products.create(params={"name": "Plans of an outside program"}).id
        self.small = self.make_price(product, 3000, "month")
        self.large = self.make_price(product, 9000, "month")
        self.yearly = self.make_price(product, 30000, "year")
        self.once = self.api.prices.create(params={"product": product, "currency": "usd", "unit_amount": 500}).id

    def make_price(self, product: str, cents: int, interval: Any) -> str:
        values: Any = {"product": product, "currency": "usd", "unit_amount": cents, "recurring": {"interval": interval}}
        return self.api.prices.create(params=values).id

    def customer(self, card: str = "pm_card_visa", start: int = START) -> Customer:
        """Make somebody whose clock stands at 31 January, with a card."""
        clock = self.api.test_helpers.test_clocks.create(params={"frozen_time": start}).id
        customer = Customer(self, self.api.customers.create(params={"test_clock": clock}).id, clock)
        if card:
            customer.use_card(card)
        return customer

    def invoice(self, invoice_id: str) -> Any:
        return self.api.invoices.retrieve(invoice_id)

    def subscription(self, subscription_id: str) -> Any:
        return self.api.subscriptions.retrieve(subscription_id)

    def latest(self, subscription_id: str) -> Any:
        return self.invoice(self.subscription(subscription_id).latest_invoice)

    def change(self, subscription: Any, price: str, **params: Any) -> Any:
        given: Any = {"items": [{"id": subscription["items"].data[0].id, "price": price}], **params}
        return self.api.subscriptions.update(subscription.id, params=given)


def status_of(world: World, subscription: Any) -> str:
    found: str = world.subscription(subscription.id).status
    return found


def amounts(invoice: Any) -> list[int]:
    return [line.amount for line in invoice.lines.data]
