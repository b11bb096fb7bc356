from billing.sandbox import store
from billing.sandbox.api import listing
from billing.sandbox.api.routing import Call, Data, Route, get, list_of
from billing.sandbox.errors import ParameterMissing
from billing.sandbox.services import schedules, subscriptions


def _list_subscriptions(call: Call) -> Data:
    params = dict(call.params)
    status = params.pop("status", None)
    rows = store.rows("subscription")
    for name in ("price", "plan"):
        if price := params.pop(name, None):
            rows = rows.filter(data__items__data__contains=[{"price": {"id": price}}])
    if status == "ended":
        rows = rows.filter(status__in=subscriptions.ENDED)
    elif status is None:
        rows = rows.exclude(status="canceled")
    elif status != "all":
        rows = rows.filter(status=status)
    for name in ("current_period_start", "current_period_end"):
        if name in params:
            params[f"items__data__0__{name}"] = params.pop(name)
    return listing.list_rows(rows, params, url="/v1/subscriptions")


def _list_items(call: Call) -> Data:
    if "subscription" not in call.params:
        raise ParameterMissing("subscription")
    subscription = store.get("subscription", call.params["subscription"], param="subscription", status=400)
    return listing.list_data(subscription["items"]["data"], call.params, url="/v1/subscription_items")


def _create_item(call: Call) -> Data:
    params = dict(call.params)
    subscription = params.pop("subscription")
    change, rest = _split(params)
    changed = subscriptions.update_subscription(subscription, rest | {"items": [change]}, now=call.now)
    newest: Data = changed["items"]["data"][-1]
    return newest


def _update_item(call: Call) -> Data:
    item = store.get("subscription_item", call.id, param="item")
    change, rest = _split(call.params)
    subscriptions.update_subscription(item["subscription"], rest | {"items": [change | {"id": call.id}]}, now=call.now)
    return store.get("subscription_item", call.id)


def _delete_item(call: Call) -> Data:
    item = store.get("subscription_item", call.id, param="item")
    params = {name: value for name, value in call.params.items() if name != "clear_usage"}
    subscriptions.update_subscription(
        item["subscription"], params | {"items": [{"id": call.id, "deleted": True}]}, now=call.now
    )
    return {"id": call.id, "object": "subscription_item", "deleted": True}


def _split(params: Data) -> tuple[Data, Data]:
    """Part what belongs to the item from what belongs to the change as a whole."""
    whole = {"payment_behavior", "proration_behavior", "proration_date", "off_session"}
    item = {name: value for name, value in params.items() if name not in whole}
    return item, {name: value for name, value in params.items() if name in whole}


SUBSCRIPTION_ROUTES = [
    Route("GET", "/v1/subscriptions", _list_subscriptions, "SubscriptionListParams"),
    Route(
        "POST",
        "/v1/subscriptions",
        lambda call: subscriptions.create_subscription(call.params, now=call.now),
        "SubscriptionCreateParams",
    ),
    Route("GET", "/v1/subscriptions/{id}", get("subscription")),
    Route(
        "POST",
        "/v1/subscriptions/{id}",
        lambda call: subscriptions.update_subscription(call.id, call.params, now=call.now),
        "SubscriptionModifyParams",
    ),
    Route(
        "DELETE",
        "/v1/subscriptions/{id}",
        lambda call: subscriptions.cancel_subscription(call.id, call.params, now=call.now),
        "SubscriptionCancelParams",
    ),
    Route(
        "POST",
        "/v1/subscriptions/{id}/resume",
        lambda call: subscriptions.resume_subscription(call.id, call.params, now=call.now),
        "SubscriptionResumeParams",
    ),
    Route("GET", "/v1/subscription_items", _list_items, "SubscriptionItemListParams"),
    Route("POST", "/v1/subscription_items", _create_item, "SubscriptionItemCreateParams"),
    Route("GET", "/v1/subscription_items/{id}", get("subscription_item", "item")),
    Route("POST", "/v1/subscription_items/{id}", _update_item, "SubscriptionItemModifyParams"),
    Route("DELETE", "/v1/subscription_items/{id}", _delete_item, "SubscriptionItemDeleteParams"),
    Route(
        "GET",
        "/v1/subscription_schedules",
        list_of("subscription_schedule", "/v1/subscription_schedules"),
        "SubscriptionScheduleListParams",
    ),
    Route(
        "POST",
        "/v1/subscription_schedules",
        lambda call: schedules.create_schedule(call.params, now=call.now),
        "SubscriptionScheduleCreateParams",
    ),
    Route("GET", "/v1/subscription_schedules/{id}", get("subscription_schedule", "schedule")),
    Route(
        "POST",
        "/v1/subscription_schedules/{id}",
        lambda call: schedules.update_schedule(call.id, call.params, now=call.now),
        "SubscriptionScheduleModifyParams",
    ),
    Route(
        "POST",
        "/v1/subscription_schedules/{id}/release",
        lambda call: schedules.release_schedule(call.id, now=call.now),
        "SubscriptionScheduleReleaseParams",
    ),
    Route(
        "POST",
        "/v1/subscription_schedules/{id}/cancel",
        lambda call: schedules.cancel_schedule(call.id, call.params, now=call.now),
        "SubscriptionScheduleCancelParams",
    ),
]
