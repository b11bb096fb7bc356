"""Payment intents, charges, refunds, disputes, and the account's balance."""

from billing.sandbox import changes, store
from billing.sandbox.api.routing import Call, Data, Route, get, list_of
from billing.sandbox.errors import ParameterMissing
from billing.sandbox.services import disputes, events, invoices, payment_methods, payments, refunds

SET_AFTERWARDS = (
    "automatic_payment_methods",
    "payment_method",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)


def _create_intent(call: Call) -> Data:
    params = call.params
    intent = payments.create_intent(
        amount=params["amount"],
        currency=params["currency"].lower(),
        customer=_known_customer(params),
        payment_method_types=params.get("payment_method_types") or ["card"],
        description=params.get("description"),
        metadata=changes.merge_metadata({}, params.get("metadata") or {}),
        receipt_email=params.get("receipt_email"),
        setup_future_usage=params.get("setup_future_usage"),
        now=call.now,
    )
    later = {name: params[name] for name in SET_AFTERWARDS if name in params}
    if later:
        intent = payments.update_intent(intent["id"], later, now=call.now)
    if params.get("confirm"):
        return _confirm(intent, params, call)
    return intent


def _confirm_intent(call: Call) -> Data:
    return _confirm(store.get("payment_intent", call.id, param="intent"), call.params, call)


def _confirm(intent: Data, params: Data, call: Call) -> Data:
    chosen = params.get("payment_method") or intent["payment_method"]
    if chosen is None:
        raise ParameterMissing("payment_method")
    payment_method = payment_methods.get_usable(chosen, customer=intent["customer"], now=call.now)
    confirmed = payments.confirm_intent(
        intent["id"],
        payment_method,
        off_session=bool(params.get("off_session")),
        return_url=params.get("return_url"),
        now=call.now,
    )
    invoices.settle_by_intent(confirmed, now=call.now)
    return payments.raise_if_refused(confirmed)


def _known_customer(params: Data) -> str | None:
    if "customer" not in params:
        return None
    return str(store.get("customer", params["customer"], param="customer", status=400)["id"])


def _update_charge(call: Call) -> Data:
    before = store.lock("charge", call.id, param="charge")
    charge = dict(before)
    changes.set_fields(charge, call.params, ("description", "receipt_email", "shipping", "transfer_group"))
    changes.set_metadata(charge, call.params)
    return events.update(charge, before=before, event_type="charge.updated", now=call.now)


PAYMENT_ROUTES = [
    Route("GET", "/v1/payment_intents", list_of("payment_intent", "/v1/payment_intents"), "PaymentIntentListParams"),
    Route("POST", "/v1/payment_intents", _create_intent, "PaymentIntentCreateParams"),
    Route("GET", "/v1/payment_intents/{id}", get("payment_intent", "intent")),
    Route(
        "POST",
        "/v1/payment_intents/{id}",
        lambda call: payments.update_intent(call.id, call.params, now=call.now),
        "PaymentIntentModifyParams",
    ),
    Route("POST", "/v1/payment_intents/{id}/confirm", _confirm_intent, "PaymentIntentConfirmParams"),
    Route(
        "POST",
        "/v1/payment_intents/{id}/cancel",
        lambda call: payments.cancel_intent(call.id, reason=call.params.get("cancellation_reason"), now=call.now),
        "PaymentIntentCancelParams",
    ),
    Route("GET", "/v1/charges", list_of("charge", "/v1/charges"), "ChargeListParams"),
    Route("GET", "/v1/charges/{id}", get("charge", "charge")),
    Route("POST", "/v1/charges/{id}", _update_charge, "ChargeModifyParams"),
    Route("GET", "/v1/refunds", list_of("refund", "/v1/refunds"), "RefundListParams"),
    Route("POST", "/v1/refunds", lambda call: refunds.create_refund(call.params, now=call.now), "RefundCreateParams"),
    Route("GET", "/v1/refunds/{id}", get("refund", "refund")),
    Route(
        "POST",
        "/v1/refunds/{id}",
        lambda call: refunds.update_refund(call.id, call.params, now=call.now),
        "RefundModifyParams",
    ),
    Route("GET", "/v1/disputes", list_of("dispute", "/v1/disputes"), "DisputeListParams"),
    Route("GET", "/v1/disputes/{id}", get("dispute", "dispute")),
    Route(
        "POST",
        "/v1/disputes/{id}",
        lambda call: disputes.update_dispute(call.id, call.params, now=call.now),
        "DisputeModifyParams",
    ),
    Route("POST", "/v1/disputes/{id}/close", lambda call: disputes.close_dispute(call.id, now=call.now)),
    Route(
        "GET",
        "/v1/balance_transactions",
        list_of("balance_transaction", "/v1/balance_transactions"),
        "BalanceTransactionListParams",
    ),
    Route("GET", "/v1/balance_transactions/{id}", get("balance_transaction", "id")),
]
