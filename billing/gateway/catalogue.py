"""What `setup_stripe` keeps in order: products, prices, webhook endpoints and the portal's settings."""

from billing.gateway.client import Params, StripeObject, call, pages, params


def retrieve_product(product_id: str) -> StripeObject:
    return call(lambda c: c.v1.products.retrieve(product_id))


def create_product(values: Params) -> StripeObject:
    return call(lambda c: c.v1.products.create(params(values)))


def retrieve_price(price_id: str) -> StripeObject:
    return call(lambda c: c.v1.prices.retrieve(price_id))


def list_prices(lookup_keys: list[str]) -> list[StripeObject]:
    return list(pages(lambda c, page: c.v1.prices.list(params(page)), {"lookup_keys": lookup_keys, "active": True}))


def create_price(values: Params) -> StripeObject:
    return call(lambda c: c.v1.prices.create(params(values)))


def update_price(price_id: str, values: Params) -> StripeObject:
    return call(lambda c: c.v1.prices.update(price_id, params(values)))


def list_webhook_endpoints() -> list[StripeObject]:
    return list(pages(lambda c, page: c.v1.webhook_endpoints.list(params(page)), {}))


def create_webhook_endpoint(values: Params) -> StripeObject:
    return call(lambda c: c.v1.webhook_endpoints.create(params(values)))


def update_webhook_endpoint(endpoint_id: str, values: Params) -> StripeObject:
    return call(lambda c: c.v1.webhook_endpoints.update(endpoint_id, params(values)))


def list_portal_configurations() -> list[StripeObject]:
    return list(pages(lambda c, page: c.v1.billing_portal.configurations.list(params(page)), {"active": True}))


def create_portal_configuration(values: Params) -> StripeObject:
    return call(lambda c: c.v1.billing_portal.configurations.create(params(values)))


def update_portal_configuration(configuration_id: str, values: Params) -> StripeObject:
    return call(lambda c: c.v1.billing_portal.configurations.update(configuration_id, params(values)))
