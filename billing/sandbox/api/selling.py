"""Checkout and the Customer Portal."""

from billing.sandbox.api import listing
from billing.sandbox.api.routing import Call, Data, Route, get, list_of
from billing.sandbox.services import checkout, portal


def _list_sessions(call: Call) -> Data:
    params = dict(call.params)
    details = params.pop("customer_details", None)
    if details:
        params["customer_details"] = {"email": details["email"]}
    return list_of("checkout.session", "/v1/checkout/sessions")(Call(call.ids, params, call.now))


def _list_line_items(call: Call) -> Data:
    url = f"/v1/checkout/sessions/{call.id}/line_items"
    return listing.list_data(checkout.list_line_items(call.id), call.params, url=url)


SELLING_ROUTES = [
    Route("GET", "/v1/checkout/sessions", _list_sessions, "checkout.SessionListParams"),
    Route(
        "POST",
        "/v1/checkout/sessions",
        lambda call: checkout.create_session(call.params, now=call.now),
        "checkout.SessionCreateParams",
    ),
    Route("GET", "/v1/checkout/sessions/{id}", lambda call: checkout.get_session(call.id, now=call.now)),
    Route(
        "POST",
        "/v1/checkout/sessions/{id}",
        lambda call: checkout.update_session(call.id, call.params, now=call.now),
        "checkout.SessionModifyParams",
    ),
    Route("GET", "/v1/checkout/sessions/{id}/line_items", _list_line_items, "checkout.SessionListLineItemsParams"),
    Route(
        "POST",
        "/v1/checkout/sessions/{id}/expire",
        lambda call: checkout.expire_session(call.id, now=call.now),
    ),
    Route(
        "POST",
        "/v1/billing_portal/sessions",
        lambda call: portal.create_session(call.params, now=call.now),
        "billing_portal.SessionCreateParams",
    ),
    Route(
        "GET",
        "/v1/billing_portal/configurations",
        list_of("billing_portal.configuration", "/v1/billing_portal/configurations"),
        "billing_portal.ConfigurationListParams",
    ),
    Route(
        "POST",
        "/v1/billing_portal/configurations",
        lambda call: portal.create_configuration(call.params, now=call.now),
        "billing_portal.ConfigurationCreateParams",
    ),
    Route(
        "GET",
        "/v1/billing_portal/configurations/{id}",
        get("billing_portal.configuration", "configuration"),
    ),
    Route(
        "POST",
        "/v1/billing_portal/configurations/{id}",
        lambda call: portal.update_configuration(call.id, call.params, now=call.now),
        "billing_portal.ConfigurationModifyParams",
    ),
]
