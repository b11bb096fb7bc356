import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import changes, ids, store
from billing.sandbox.errors import ParameterInvalid, ParameterMissing, UnexpectedState
from billing.sandbox.objects import product as product_objects
from billing.sandbox.services import events

Data = dict[str, Any]

PRODUCT_FIELDS = (
    "active",
    "description",
    "images",
    "marketing_features",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "unit_label",
    "url",
)


@transaction.atomic
def create_product(params: Data, *, now: datetime) -> Data:
    """This will create a product and, with `default_price_data`, its first price.

    :raises UnexpectedState: when the id is taken.
    """
    if params.get("id"):
        if store.find_any(params["id"]):
            raise UnexpectedState("Product already exists.", code="resource_already_exists")
        store.free_id(params["id"])
    product = product_objects.new_product(name=params["name"], product_id=params.get("id"), now=store.timestamp(now))
    _change_product(product, params)
    store.add(product)
    events.emit("product.created", product, now=now)
    if data := params.get("default_price_data"):
        price = create_price(data | {"product": product["id"]}, now=now)
        product = update_product(product["id"], {"default_price": price["id"]}, now=now)
    return product


@transaction.atomic
def update_product(product_id: str, params: Data, *, now: datetime) -> Data:
    """This will change a product."""
    before = store.lock("product", product_id)
    product = copy.deepcopy(before)
    _change_product(product, params)
    if "default_price" in params:
        product["default_price"] = params["default_price"] or None
    if product != before:
        product["updated"] = store.timestamp(now)
    return events.update(product, before=before, event_type="product.updated", now=now)


@transaction.atomic
def delete_product(product_id: str, *, now: datetime) -> Data:
    """This will delete a product.

    :raises UnexpectedState: while it has prices.
    """
    product = store.lock("product", product_id)
    if any(price["product"] == product_id for price in store.find("price")):
        raise UnexpectedState("This product cannot be deleted because it has one or more user-created prices.")
    store.mark_deleted("product", product_id)
    events.emit("product.deleted", product, now=now)
    return {"id": product_id, "object": "product", "deleted": True}


@transaction.atomic
def create_price(params: Data, *, now: datetime, price_id: str | None = None) -> Data:
    """This will create a price, on a product of its own with `product_data`.

    :raises UnexpectedState: when another active price has its lookup key.
    """
    if "product" in params:
        product = store.get("product", params["product"], param="product", status=400)
    elif "product_data" in params:
        product = create_product(params["product_data"], now=now)
    else:
        raise ParameterMissing("product")
    price = make_price(params | {"product": product["id"]}, now=now, price_id=price_id)
    if key := params.get("lookup_key"):
        _take_lookup_key(key, transfer=bool(params.get("transfer_lookup_key")), now=now)
        price["lookup_key"] = key
    store.add(price)
    events.emit("price.created", price, now=now)
    return price


def make_price(params: Data, *, now: datetime, price_id: str | None = None) -> Data:
    """This will build a price from the API's parameters without storing it."""
    if params.get("unit_amount") is None and params.get("unit_amount_decimal") is None:
        raise ParameterMissing("unit_amount")
    amount = params.get("unit_amount")
    decimal = params.get("unit_amount_decimal")
    if (amount if amount is not None else float(decimal or 0)) < 0:
        raise ParameterInvalid(
            "unit_amount", "This value must be greater than or equal to 0.", "parameter_invalid_integer"
        )
    if amount is None and decimal is not None and float(decimal).is_integer():
        amount = int(float(decimal))
    price = product_objects.new_price(
        product=params["product"],
        currency=params["currency"].lower(),
        unit_amount=amount,
        unit_amount_decimal=None if decimal is None else str(decimal),
        recurring=params.get("recurring"),
        price_id=price_id,
        now=store.timestamp(now),
    )
    changes.set_fields(price, params, ("active", "nickname", "tax_behavior"))
    changes.set_metadata(price, params)
    return price


@transaction.atomic
def update_price(price_id: str, params: Data, *, now: datetime) -> Data:
    """This will change what can be changed of a price; never its amount."""
    before = store.lock("price", price_id, param="price")
    price = copy.deepcopy(before)
    changes.set_fields(price, params, ("active", "nickname", "tax_behavior"))
    changes.set_metadata(price, params)
    if "lookup_key" in params:
        key = params["lookup_key"] or None
        if key and key != before["lookup_key"]:
            _take_lookup_key(key, transfer=bool(params.get("transfer_lookup_key")), now=now)
        price["lookup_key"] = key
    return _save_price(price, before=before, now=now)


@transaction.atomic
def create_inline_price(data: Data, *, now: datetime) -> tuple[Data, str]:
    """This will make the price of a `price_data` parameter and return it with its product's name.

    Stripe makes a product and an inactive price for each; neither shows up as an event.
    """
    if "product" in data:
        product = store.get("product", data["product"], param="product", status=400)
    elif "product_data" in data:
        product = product_objects.new_product(name=data["product_data"]["name"], now=store.timestamp(now))
        _change_product(product, data["product_data"])
        product["active"] = False
        store.add(product)
    else:
        raise ParameterMissing("line_items[0][price_data][product]")
    price = make_price(data | {"product": product["id"]}, now=now)
    price["active"] = False
    store.add(price)
    return price, product["name"]


@transaction.atomic
def create_feature(params: Data, *, now: datetime) -> Data:
    """This will create an entitlements feature."""
    feature = {
        "id": ids.new_id("entitlements.feature"),
        "object": "entitlements.feature",
        "active": True,
        "livemode": False,
        "lookup_key": params["lookup_key"],
        "metadata": changes.merge_metadata({}, params.get("metadata") or {}),
        "name": params["name"],
    }
    return store.add(feature)


@transaction.atomic
def attach_feature(product_id: str, feature_id: str, *, now: datetime) -> Data:
    """This will say that a product comes with a feature."""
    store.get("product", product_id)
    feature = store.get("entitlements.feature", feature_id, param="entitlement_feature", status=400)
    return store.add(product_objects.new_product_feature(feature=feature), private={"product": product_id})


def list_features(product_id: str) -> list[Data]:
    """This will return the features that a product comes with."""
    store.get("product", product_id)
    return store.find("product_feature", private__product=product_id)


def _change_product(product: Data, params: Data) -> None:
    changes.set_fields(product, params, PRODUCT_FIELDS)
    changes.set_metadata(product, params)
    product["images"] = product["images"] or []
    product["marketing_features"] = product["marketing_features"] or []


def _take_lookup_key(key: str, *, transfer: bool, now: datetime) -> None:
    holder = store.find_first("price", name=key)
    if holder is None:
        return
    if not transfer:
        raise UnexpectedState(
            f"A price ({holder['id']}) already uses that lookup key.",
            code="resource_already_exists",
            param="lookup_key",
        )
    _save_price(holder | {"lookup_key": None}, before=holder, now=now)


def _save_price(price: Data, *, before: Data, now: datetime) -> Data:
    """Save a price that has changed, and show it so in the subscriptions that are on it."""
    for row in store.rows("subscription", data__items__data__contains=[{"price": {"id": price["id"]}}]):
        subscription = store.lock("subscription", row.id)
        for item in subscription["items"]["data"]:
            if item["price"]["id"] == price["id"]:
                item["price"] = price
        store.save(subscription)
    return events.update(price, before=before, event_type="price.updated", now=now)
