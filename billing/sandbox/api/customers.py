from billing.sandbox import changes, store
from billing.sandbox.api import listing
from billing.sandbox.api.parameters import ANYTHING
from billing.sandbox.api.routing import Call, Data, Route, get, list_of
from billing.sandbox.errors import ParameterMissing, ResourceMissing
from billing.sandbox.services import customers, payment_methods, payments, setup_intents


def _get_customer(call: Call) -> Data:
    if store.was_deleted("customer", call.id):
        return {"id": call.id, "object": "customer", "deleted": True}
    return store.get("customer", call.id)


def _list_sources(call: Call) -> Data:
    store.get("customer", call.id)
    return {"object": "list", "data": [], "has_more": False, "url": f"/v1/customers/{call.id}/sources"}


def _list_tax_ids(call: Call) -> Data:
    store.get("customer", call.id)
    return {"object": "list", "data": [], "has_more": False, "url": f"/v1/customers/{call.id}/tax_ids"}


def _list_own_payment_methods(call: Call) -> Data:
    store.get("customer", call.id)
    return listing.list_rows(
        store.rows("payment_method", customer=call.id), call.params, url=f"/v1/customers/{call.id}/payment_methods"
    )


def _get_own_payment_method(call: Call) -> Data:
    payment_method = store.get("payment_method", call.ids[1], param="payment_method")
    if payment_method["customer"] != call.id:
        raise ResourceMissing("payment_method", call.ids[1], "payment_method")
    return payment_method


def _list_balance_transactions(call: Call) -> Data:
    store.get("customer", call.id)
    url = f"/v1/customers/{call.id}/balance_transactions"
    rows = store.rows("customer_balance_transaction", customer=call.id)
    return listing.list_rows(rows, call.params, url=url)


def _create_balance_transaction(call: Call) -> Data:
    params = call.params
    line = customers.change_balance(
        call.id, params["amount"], kind="adjustment", currency=params["currency"], now=call.now
    )
    changes.set_fields(line, params, ("description",))
    changes.set_metadata(line, params)
    return store.save(line)


def _attach(call: Call) -> Data:
    if "customer" not in call.params:
        raise ParameterMissing("customer")
    return payment_methods.attach_payment_method(call.id, customer=call.params["customer"], now=call.now)


def _list_payment_methods(call: Call) -> Data:
    # Without a customer Stripe lists only what belongs to none and was made for Treasury.
    if "customer" not in call.params:
        return {"object": "list", "data": [], "has_more": False, "url": "/v1/payment_methods"}
    return list_of("payment_method", "/v1/payment_methods")(call)


def _confirm_setup_intent(call: Call) -> Data:
    return _confirm(store.get("setup_intent", call.id, param="intent"), call)


def _create_setup_intent(call: Call) -> Data:
    intent = setup_intents.create_setup_intent(call.params, now=call.now)
    return _confirm(intent, call) if call.params.get("confirm") else intent


def _confirm(intent: Data, call: Call) -> Data:
    chosen = call.params.get("payment_method") or intent["payment_method"]
    if chosen is None:
        raise ParameterMissing("payment_method")
    confirmed = setup_intents.confirm_setup_intent(
        intent["id"], chosen, return_url=call.params.get("return_url"), now=call.now
    )
    return payments.raise_if_refused(confirmed)


CUSTOMER_ROUTES = [
    Route("GET", "/v1/customers", list_of("customer", "/v1/customers", names={"email": "name"}), "CustomerListParams"),
    Route(
        "POST",
        "/v1/customers",
        lambda call: customers.create_customer(call.params, now=call.now),
        "CustomerCreateParams",
    ),
    Route("GET", "/v1/customers/{id}", _get_customer),
    Route(
        "POST",
        "/v1/customers/{id}",
        lambda call: customers.update_customer(call.id, call.params, now=call.now),
        "CustomerModifyParams",
    ),
    Route("DELETE", "/v1/customers/{id}", lambda call: customers.delete_customer(call.id, now=call.now)),
    Route("GET", "/v1/customers/{id}/sources", _list_sources, ANYTHING),
    Route("GET", "/v1/customers/{id}/tax_ids", _list_tax_ids, ANYTHING),
    Route(
        "GET",
        "/v1/customers/{id}/payment_methods",
        _list_own_payment_methods,
        "CustomerListPaymentMethodsParams",
    ),
    Route("GET", "/v1/customers/{id}/payment_methods/{payment_method}", _get_own_payment_method),
    Route(
        "GET",
        "/v1/customers/{id}/balance_transactions",
        _list_balance_transactions,
        "CustomerListBalanceTransactionsParams",
    ),
    Route(
        "POST",
        "/v1/customers/{id}/balance_transactions",
        _create_balance_transaction,
        "CustomerCreateBalanceTransactionParams",
    ),
    Route("GET", "/v1/payment_methods", _list_payment_methods, "PaymentMethodListParams"),
    Route(
        "POST",
        "/v1/payment_methods",
        lambda call: payment_methods.create_payment_method(call.params, now=call.now),
        "PaymentMethodCreateParams",
    ),
    Route("GET", "/v1/payment_methods/{id}", get("payment_method", "payment_method")),
    Route(
        "POST",
        "/v1/payment_methods/{id}",
        lambda call: payment_methods.update_payment_method(call.id, call.params, now=call.now),
        "PaymentMethodModifyParams",
    ),
    Route("POST", "/v1/payment_methods/{id}/attach", _attach, "PaymentMethodAttachParams"),
    Route(
        "POST",
        "/v1/payment_methods/{id}/detach",
        lambda call: payment_methods.detach_payment_method(call.id, now=call.now),
    ),
    Route("GET", "/v1/setup_intents", list_of("setup_intent", "/v1/setup_intents"), "SetupIntentListParams"),
    Route("POST", "/v1/setup_intents", _create_setup_intent, "SetupIntentCreateParams"),
    Route("GET", "/v1/setup_intents/{id}", get("setup_intent", "intent")),
    Route("POST", "/v1/setup_intents/{id}/confirm", _confirm_setup_intent, "SetupIntentConfirmParams"),
    Route(
        "POST",
        "/v1/setup_intents/{id}/cancel",
        lambda call: setup_intents.cancel_setup_intent(
            call.id, reason=call.params.get("cancellation_reason"), now=call.now
        ),
        "SetupIntentCancelParams",
    ),
]
