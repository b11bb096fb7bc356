from billing.sandbox.api import listing
from billing.sandbox.api.routing import Call, Data, Route, get, list_of
from billing.sandbox.errors import ParameterMissing
from billing.sandbox.services import discounts, products


def _list_products(call: Call) -> Data:
    params = dict(call.params)
    wanted = params.pop("ids", None)
    names = {"id": "id"}
    if wanted:
        params["id"] = wanted
    return list_of("product", "/v1/products", names=names)(Call(call.ids, params, call.now))


def _list_prices(call: Call) -> Data:
    params = dict(call.params)
    if keys := params.pop("lookup_keys", None):
        params["lookup_key"] = keys
    return list_of("price", "/v1/prices", names={"lookup_key": "name"})(Call(call.ids, params, call.now))


def _create_price(call: Call) -> Data:
    if "currency" not in call.params:
        raise ParameterMissing("currency")
    return products.create_price(call.params, now=call.now)


def _list_features(call: Call) -> Data:
    return listing.list_data(products.list_features(call.id), call.params, url=f"/v1/products/{call.id}/features")


def _list_promotion_codes(call: Call) -> Data:
    params = dict(call.params)
    rows = list_of("promotion_code", "/v1/promotion_codes", names={"code": "name__iexact"})
    if coupon := params.pop("coupon", None):
        params["promotion"] = {"coupon": coupon}
    return rows(Call(call.ids, params, call.now))


PRODUCT_ROUTES = [
    Route("GET", "/v1/products", _list_products, "ProductListParams"),
    Route(
        "POST", "/v1/products", lambda call: products.create_product(call.params, now=call.now), "ProductCreateParams"
    ),
    Route("GET", "/v1/products/{id}", get("product")),
    Route(
        "POST",
        "/v1/products/{id}",
        lambda call: products.update_product(call.id, call.params, now=call.now),
        "ProductModifyParams",
    ),
    Route("DELETE", "/v1/products/{id}", lambda call: products.delete_product(call.id, now=call.now)),
    Route("GET", "/v1/products/{id}/features", _list_features, "ProductListFeaturesParams"),
    Route(
        "POST",
        "/v1/products/{id}/features",
        lambda call: products.attach_feature(call.id, call.params["entitlement_feature"], now=call.now),
        "ProductCreateFeatureParams",
    ),
    Route(
        "GET",
        "/v1/entitlements/features",
        list_of("entitlements.feature", "/v1/entitlements/features"),
        "entitlements.FeatureListParams",
    ),
    Route(
        "POST",
        "/v1/entitlements/features",
        lambda call: products.create_feature(call.params, now=call.now),
        "entitlements.FeatureCreateParams",
    ),
    Route("GET", "/v1/prices", _list_prices, "PriceListParams"),
    Route("POST", "/v1/prices", _create_price, "PriceCreateParams"),
    Route("GET", "/v1/prices/{id}", get("price", "price")),
    Route(
        "POST",
        "/v1/prices/{id}",
        lambda call: products.update_price(call.id, call.params, now=call.now),
        "PriceModifyParams",
    ),
    Route("GET", "/v1/coupons", list_of("coupon", "/v1/coupons"), "CouponListParams"),
    Route("POST", "/v1/coupons", lambda call: discounts.create_coupon(call.params, now=call.now), "CouponCreateParams"),
    Route("GET", "/v1/coupons/{id}", get("coupon", "coupon")),
    Route(
        "POST",
        "/v1/coupons/{id}",
        lambda call: discounts.update_coupon(call.id, call.params, now=call.now),
        "CouponModifyParams",
    ),
    Route("DELETE", "/v1/coupons/{id}", lambda call: discounts.delete_coupon(call.id, now=call.now)),
    Route("GET", "/v1/promotion_codes", _list_promotion_codes, "PromotionCodeListParams"),
    Route(
        "POST",
        "/v1/promotion_codes",
        lambda call: discounts.create_promotion_code(call.params, now=call.now),
        "PromotionCodeCreateParams",
    ),
    Route("GET", "/v1/promotion_codes/{id}", get("promotion_code", "promotion_code")),
    Route(
        "POST",
        "/v1/promotion_codes/{id}",
        lambda call: discounts.update_promotion_code(call.id, call.params, now=call.now),
        "PromotionCodeModifyParams",
    ),
]
