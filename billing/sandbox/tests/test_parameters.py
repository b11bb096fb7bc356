"""Every parameter that Stripe knows is played or refused by name; none is dropped in silence.

https://docs.stripe.com/api/errors has the shape of a refusal.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe
from django.test import Client

from billing.sandbox import store
from billing.sandbox.api import parameters
from billing.sandbox.api.honoured import HONOURED, honoured
from billing.sandbox.api.parameters import ANYTHING
from billing.sandbox.api.routes import ROUTES
from billing.sandbox.errors import NotPlayed, StripeError
from billing.sandbox.services import checkout, clocks, timekeeping
from smartspec import clock

Open = Callable[..., stripe.checkout.Session]
Card = Callable[..., checkout.CardFields]

NAMED_ROUTES = [route for route in ROUTES if route.parameters not in (None, ANYTHING)]
SAMPLES = {"str": "x", "int": "5", "bool": "true", "float": "1.5", "decimal": "1.5", "any": "x", "map": {"k": "v"}}
PRO = "price_smartspec_pro_monthly"


def leaves(description: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every parameter of a call that has nothing below it, with what it may be."""
    if isinstance(description, dict) and "any" in description:
        for option in description["any"]:
            if option != {"enum": [""]}:
                yield from leaves(option, path)
    elif isinstance(description, dict) and "list" in description:
        yield from leaves(description["list"], path)
    elif isinstance(description, dict) and "fields" in description:
        for name, inner in description["fields"].items():
            yield from leaves(inner, (*path, name))
    else:
        yield path, description


def values_of(description: Any) -> list[Any]:
    """Return values that Stripe would take, each of which a sandbox might play or not."""
    if isinstance(description, dict):
        return [value for value in description["enum"] if value != ""]
    return ["true", "false"] if description == "bool" else [SAMPLES[description]]


def wrap(path: tuple[str, ...], value: Any, description: Any) -> Any:
    """Return a request that holds nothing but this one parameter."""
    if isinstance(description, dict) and "any" in description:
        fitting = [option for option in description["any"] if path in dict(leaves(option))]
        return wrap(path, value, fitting[0])
    if isinstance(description, dict) and "list" in description:
        return [wrap(path, value, description["list"])]
    if path:
        return {path[0]: wrap(path[1:], value, description["fields"][path[0]])}
    return value


def is_played(name: str, path: tuple[str, ...], value: Any) -> bool:
    only = honoured(name).only_values(path)
    return honoured(name).plays(path) and (only is None or value in only)


@pytest.mark.parametrize("name", [route.parameters for route in NAMED_ROUTES], ids=str)
def test_every_parameter_is_played_or_refused_by_name(name: str) -> None:
    description = parameters.descriptions()[name]
    for path, kind in leaves(description):
        for value in values_of(kind):
            refused = None
            try:
                parameters.check(wrap(path, value, description), name)
            except NotPlayed as error:
                refused = error
            except StripeError:
                pass  # what the call needs besides
            assert (refused is None) == is_played(name, path, value), (path, value)
            if refused is not None:
                assert refused.param is not None
                assert ".".join(path).startswith(refused.param.replace("[0]", "").replace("[", ".").replace("]", ""))
                assert refused.param in refused.message


@pytest.mark.parametrize("name", HONOURED)
def test_what_is_honoured_is_known_to_stripe(name: str) -> None:
    known = [(".".join(path), kind) for path, kind in leaves(parameters.descriptions()[name])]
    for entry in honoured(name).whole:
        assert any(path == entry or path.startswith(f"{entry}.") for path, _ in known), entry
    for entry, values in honoured(name).values.items():
        kinds = [kind for path, kind in known if path == entry]
        assert any(kind == "str" or set(values) <= set(values_of(kind)) for kind in kinds), entry


def test_every_call_says_what_it_honours() -> None:
    assert {route.parameters for route in NAMED_ROUTES} == HONOURED.keys()


def test_a_call_that_needs_nothing_takes_nothing() -> None:
    with pytest.raises(StripeError, match="Received unknown parameter: colour"):
        parameters.check({"colour": "red"}, None)


class TestRefusal:
    """https://docs.stripe.com/api/errors"""

    def test_names_the_parameter_in_stripes_form(self, sandbox: None, client: Client) -> None:
        answer = client.post(
            "/sandbox/stripe/v1/subscriptions",
            data="customer=cus_1&items[0][price]=p&add_invoice_items[0][price]=q",
            content_type="application/x-www-form-urlencoded",
            headers={"Authorization": "Bearer sk_test_123"},
        )
        error = answer.json()["error"]
        assert (answer.status_code, error["type"], error["param"]) == (
            400,
            "invalid_request_error",
            "add_invoice_items",
        )
        assert error["message"] == "The sandbox does not play the parameter add_invoice_items. Stripe itself does."

    @pytest.mark.parametrize(
        ("params", "param"),
        [
            ({"pause_collection": {"behavior": "void"}}, "pause_collection"),
            ({"add_invoice_items": [{"price": PRO}]}, "add_invoice_items"),
            ({"items": [{"price": PRO, "discounts": [{"coupon": "c"}]}]}, "items[0][discounts]"),
            ({"automatic_tax": {"enabled": True}}, "automatic_tax[enabled]"),
        ],
    )
    def test_leaves_a_subscription_as_it_was(
        self, client_of_stripe: stripe.StripeClient, subscription: Any, params: Any, param: str
    ) -> None:
        events = store.rows("event").count()
        with pytest.raises(stripe.InvalidRequestError) as raised:
            client_of_stripe.v1.subscriptions.update(subscription.id, params=params | {"description": "changed"})
        assert raised.value.param == param
        assert store.get("subscription", subscription.id)["description"] is None
        assert store.rows("event").count() == events

    def test_says_which_value_alone_is_played(self, client_of_stripe: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match=r"ui_mode \(it is always hosted_page here\)"):
            client_of_stripe.v1.checkout.sessions.create(params={"mode": "payment", "ui_mode": "elements"})

    def test_lets_pass_what_takes_away_or_leaves_off(
        self, client_of_stripe: stripe.StripeClient, subscription: Any
    ) -> None:
        params: Any = {"pause_collection": "", "automatic_tax": {"enabled": False}, "description": "changed"}
        changed = client_of_stripe.v1.subscriptions.update(subscription.id, params=params)
        assert changed.description == "changed"

    def test_is_not_remembered_by_its_key(self, client_of_stripe: stripe.StripeClient, subscription: Any) -> None:
        update, options = client_of_stripe.v1.subscriptions.update, {"idempotency_key": "once"}
        with pytest.raises(stripe.InvalidRequestError, match="does not play"):
            update(subscription.id, {"pause_collection": {"behavior": "void"}}, options)  # type: ignore[arg-type]
        assert update(subscription.id, {"description": "changed"}, options).description == "changed"  # type: ignore[arg-type]

    def test_a_schedule_of_nothing_says_what_it_needs(self, client_of_stripe: stripe.StripeClient) -> None:
        create = client_of_stripe.v1.subscription_schedules.create
        with pytest.raises(stripe.InvalidRequestError, match="only of a subscription that exists"):
            create({})
        with pytest.raises(stripe.InvalidRequestError, match="does not play the parameter customer"):
            create({"customer": "cus_1", "start_date": "now"})


@pytest.fixture
def subscription(client_of_stripe: stripe.StripeClient, plan: Open, card: Card) -> Any:
    session = plan()
    checkout.pay_with_card(session_id=session.id, card=card(), now=clock.now())
    stored: Any = client_of_stripe.v1.checkout.sessions.retrieve(session.id, params={"expand": ["subscription"]})
    return stored.subscription


class TestWhatIsHonouredIsPlayed:
    def test_a_draft_that_advances_by_itself_is_final_in_an_hour(
        self, client_of_stripe: stripe.StripeClient, subscription: Any
    ) -> None:
        """https://docs.stripe.com/invoicing/integration/automatic-advancement-collection"""
        api = client_of_stripe.v1
        fields: Any = [{"name": "order", "value": "7"}]
        draft = api.invoices.create({"customer": subscription.customer, "auto_advance": True, "custom_fields": fields})
        assert draft.custom_fields is not None
        assert draft.custom_fields[0].value == "7"
        timekeeping.pass_time(now=store.moment(draft.created + 3599))
        assert store.get("invoice", draft.id)["status"] == "draft"
        timekeeping.pass_time(now=store.moment(draft.created + 3600))
        assert store.get("invoice", draft.id)["status"] == "paid"

    def test_an_invoice_that_is_sent_has_a_day(self, client_of_stripe: stripe.StripeClient, subscription: Any) -> None:
        """https://docs.stripe.com/billing/collection-method"""
        api = client_of_stripe.v1
        draft = api.invoices.create(
            {"customer": subscription.customer, "collection_method": "send_invoice", "days_until_due": 10}
        )
        assert draft.due_date == draft.created + 10 * 86400
        again = api.subscriptions.create(
            {
                "customer": subscription.customer,
                "items": [{"price": PRO}],
                "collection_method": "send_invoice",
                "days_until_due": 5,
                "cancel_at": "max_period_end",
            }
        )
        first = store.get("invoice", str(again.latest_invoice))
        assert first["due_date"] == first["created"] + 5 * 86400
        assert again.cancel_at == again["items"].data[0].current_period_end

    def test_cancelling_a_schedule_prorates_and_invoices(
        self, client_of_stripe: stripe.StripeClient, subscription: Any
    ) -> None:
        """https://docs.stripe.com/api/subscription_schedules/cancel"""
        api = client_of_stripe.v1
        schedule = api.subscription_schedules.create({"from_subscription": subscription.id})
        assert api.subscription_schedules.cancel(schedule.id).status == "canceled"
        assert store.get("subscription", subscription.id)["status"] == "canceled"
        assert store.find("invoice")[0]["total"] == -2900

    def test_a_schedules_new_current_phase_changes_the_subscription(
        self, client_of_stripe: stripe.StripeClient, subscription: Any
    ) -> None:
        """https://docs.stripe.com/billing/subscriptions/subscription-schedules"""
        api = client_of_stripe.v1.subscription_schedules
        schedule = api.create({"from_subscription": subscription.id})
        phase: Any = {
            "items": [{"price": PRO, "quantity": 2}],
            "start_date": schedule.phases[0].start_date,
            "end_date": schedule.phases[0].end_date,
        }
        api.update(schedule.id, {"phases": [phase], "proration_behavior": "always_invoice"})
        assert store.get("subscription", subscription.id)["items"]["data"][0]["quantity"] == 2
        assert store.find("invoice")[0]["total"] == 2900

    def test_a_coupon_is_over_after_its_day(self, client_of_stripe: stripe.StripeClient, subscription: Any) -> None:
        """https://docs.stripe.com/api/coupons/create#create_coupon-redeem_by"""
        api = client_of_stripe.v1
        clock_id = api.test_helpers.test_clocks.create({"frozen_time": int(clock.now().timestamp())}).id
        customer = api.customers.create({"test_clock": clock_id})
        coupon = api.coupons.create({"percent_off": 10, "redeem_by": int(clock.now().timestamp()) + 86400})
        api.test_helpers.test_clocks.advance(clock_id, {"frozen_time": int(clock.now().timestamp()) + 2 * 86400})
        clocks.arrive(clock_id=clock_id, now=clock.now())
        with pytest.raises(stripe.InvalidRequestError, match="Coupon expired"):
            api.subscriptions.create(
                {
                    "customer": customer.id,
                    "items": [{"price": PRO}],
                    "discounts": [{"coupon": coupon.id}],
                    "payment_behavior": "default_incomplete",
                }
            )

    def test_lists_take_a_plan_and_the_bounds_of_a_period(
        self, client_of_stripe: stripe.StripeClient, subscription: Any
    ) -> None:
        """https://docs.stripe.com/api/subscriptions/list"""
        api = client_of_stripe.v1.subscriptions
        end = subscription["items"].data[0].current_period_end
        found: Any
        for found in ({"plan": PRO}, {"current_period_end": {"lte": end}}, {"current_period_start": {"lt": end}}):
            assert [one.id for one in api.list(found).data] == [subscription.id]
        for found in ({"plan": "price_smartspec_pro_yearly"}, {"current_period_end": {"lt": end}}):
            assert api.list(found).data == []
