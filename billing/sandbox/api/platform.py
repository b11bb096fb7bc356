"""The account itself, its events and webhook endpoints, and what the sandbox never has any of."""

from billing.sandbox import store
from billing.sandbox.api import listing
from billing.sandbox.api.parameters import ANYTHING
from billing.sandbox.api.routing import Call, Data, Route, get, list_of, list_of_none
from billing.sandbox.errors import ResourceMissing
from billing.sandbox.services import endpoints


def _own_account(call: Call) -> Data:
    account = store.find_first("account")
    if account is None:
        raise ResourceMissing("account", "")
    return account


def _list_events(call: Call) -> Data:
    params = dict(call.params)
    rows = store.rows("event")
    if (event_type := params.pop("type", None)) is not None:
        rows = (
            rows.filter(name__startswith=event_type[:-1]) if event_type.endswith("*") else rows.filter(name=event_type)
        )
    if types := params.pop("types", None):
        rows = rows.filter(name__in=types)
    if (delivered := params.pop("delivery_success", None)) is not None:
        rows = rows.filter(data__pending_webhooks=0) if delivered else rows.exclude(data__pending_webhooks=0)
    return listing.list_rows(rows, params, url="/v1/events")


EMPTY_LISTS = (
    "/v1/application_fees",
    "/v1/country_specs",
    "/v1/entitlements/active_entitlements",
    "/v1/identity/verification_reports",
    "/v1/credit_notes",
    "/v1/file_links",
    "/v1/files",
    "/v1/identity/verification_sessions",
    "/v1/issuing/authorizations",
    "/v1/issuing/cardholders",
    "/v1/issuing/cards",
    "/v1/issuing/disputes",
    "/v1/issuing/transactions",
    "/v1/payment_links",
    "/v1/payouts",
    "/v1/radar/early_fraud_warnings",
    "/v1/radar/value_lists",
    "/v1/plans",
    "/v1/quotes",
    "/v1/reviews",
    "/v1/shipping_rates",
    "/v1/sigma/scheduled_query_runs",
    "/v1/sources",
    "/v1/tax_codes",
    "/v1/tax_ids",
    "/v1/tax_rates",
    "/v1/terminal/readers",
    "/v1/topups",
    "/v1/transfers",
)

PLATFORM_ROUTES = [
    Route("GET", "/v1/account", _own_account),
    # Only connected accounts are listed, and there are none.
    Route("GET", "/v1/accounts", list_of_none("/v1/accounts"), ANYTHING),
    Route("GET", "/v1/accounts/{id}", get("account", "account")),
    Route("GET", "/v1/events", _list_events, "EventListParams"),
    Route("GET", "/v1/events/{id}", get("event")),
    Route(
        "GET",
        "/v1/webhook_endpoints",
        list_of("webhook_endpoint", "/v1/webhook_endpoints"),
        "WebhookEndpointListParams",
    ),
    Route(
        "POST",
        "/v1/webhook_endpoints",
        lambda call: endpoints.create_endpoint(call.params, now=call.now),
        "WebhookEndpointCreateParams",
    ),
    Route("GET", "/v1/webhook_endpoints/{id}", get("webhook_endpoint", "webhook_endpoint")),
    Route(
        "POST",
        "/v1/webhook_endpoints/{id}",
        lambda call: endpoints.update_endpoint(call.id, call.params, now=call.now),
        "WebhookEndpointModifyParams",
    ),
    Route("DELETE", "/v1/webhook_endpoints/{id}", lambda call: endpoints.delete_endpoint(call.id, now=call.now)),
    *(Route("GET", url, list_of_none(url), ANYTHING) for url in EMPTY_LISTS),
    # Lists of the second version have another form.
    Route(
        "GET",
        "/v2/core/accounts",
        lambda call: {"data": [], "next_page_url": None, "previous_page_url": None},
        ANYTHING,
    ),
]
