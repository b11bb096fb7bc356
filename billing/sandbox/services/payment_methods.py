import copy
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.sandbox import cards, changes, store
from billing.sandbox.errors import CardDeclined, ParameterInvalid, ParameterMissing, ResourceMissing, UnexpectedState
from billing.sandbox.objects import payment_method as payment_method_objects
from billing.sandbox.services import events

Data = dict[str, Any]


@transaction.atomic
def create_payment_method(params: Data, *, now: datetime) -> Data:
    """This will create a payment method from what the API was given.

    :raises CardDeclined: for a card number, date or code that cannot be.
    """
    payment_method = _create_of_type(params, now=now)
    changes.set_fields(payment_method, params, ("allow_redisplay",))
    changes.set_metadata(payment_method, params)
    return store.save(payment_method)


def _create_of_type(params: Data, *, now: datetime) -> Data:
    kind = params.get("type")
    if kind is None:
        raise ParameterMissing("type")
    details = params.get("billing_details") or {}
    if kind == "card":
        card = params.get("card") or {}
        if token := card.get("token"):
            number = cards.NAMED_CARDS.get(token.replace("tok_", "pm_card_"))
            if number is None:
                raise ResourceMissing("token", token, "card[token]", status=400)
            return create_card(number=number, exp_month=12, exp_year=now.year + 3, cvc="123", details=details, now=now)
        if "number" not in card:
            raise ParameterMissing("card[number]")
        return create_card(
            number=card["number"],
            exp_month=int(card.get("exp_month") or 0),
            exp_year=int(card.get("exp_year") or 0),
            cvc=card.get("cvc"),
            details=details,
            now=now,
        )
    if kind == "us_bank_account":
        account = params.get("us_bank_account") or {}
        number = account.get("account_number") or ""
        return create_bank_account(account_number=number, details=details, now=now)
    raise ParameterInvalid("type", f"The sandbox has no payment method of type {kind}.")


def create_card(
    *,
    number: str,
    exp_month: int,
    exp_year: int,
    cvc: str | None,
    details: Data,
    now: datetime,
) -> Data:
    """This will check a card as Stripe's form does and store it, belonging to nobody yet.

    :raises CardDeclined: for a number, date or code that cannot be; `param` names it.
    """
    digits = cards.check_number(number)
    cards.check_expiry(exp_month, exp_year, now=now)
    card = cards.find_card(digits)
    if cvc is not None:
        cards.check_cvc(cvc, brand=card.brand)
    payment_method = payment_method_objects.new_card(
        number=digits,
        brand=card.brand,
        funding=card.funding,
        country=card.country,
        exp_month=exp_month,
        exp_year=exp_year,
        billing_details=_billing_details(details),
        now=store.timestamp(now),
    )
    payment_method["card"]["checks"]["cvc_check"] = card.cvc_check
    return store.add(payment_method, private={"outcome": card.outcome, "after": card.after_authentication})


def create_bank_account(*, account_number: str, details: Data, now: datetime) -> Data:
    """This will store a bank account for debits; Stripe's test account numbers decide how the debits end.

    :raises ParameterInvalid: for any other number.
    """
    outcome = cards.BANK_ACCOUNTS.get(account_number)
    if outcome is None:
        raise ParameterInvalid(
            "us_bank_account[account_number]",
            f"Use one of the test account numbers: {', '.join(cards.BANK_ACCOUNTS)}.",
            code="account_number_invalid",
        )
    payment_method = payment_method_objects.new_bank_account(
        account_number=account_number,
        routing_number=cards.ROUTING_NUMBER,
        billing_details=_billing_details(details),
        now=store.timestamp(now),
    )
    return store.add(payment_method, private={"outcome": outcome})


@transaction.atomic
def attach_payment_method(payment_method_id: str, *, customer: str, now: datetime) -> Data:
    """This will save a payment method to a customer; `pm_card_…` names make a new one.

    :raises ResourceMissing: for an unknown payment method or customer.
    :raises CardDeclined: for a card that refuses to be saved.
    """
    store.get("customer", customer, param="customer", status=400)
    before = _lock_or_make(payment_method_id, now=now)
    if before["customer"] and before["customer"] != customer:
        raise UnexpectedState("The payment method you provided has already been attached to a customer.")
    refuse_unless_savable(before)
    payment_method = before | {"customer": customer}
    return events.update(payment_method, before=before, event_type="payment_method.attached", now=now)


@transaction.atomic
def detach_payment_method(payment_method_id: str, *, now: datetime) -> Data:
    """This will take a payment method away from its customer, for good.

    :raises UnexpectedState: when it belongs to nobody.
    """
    before = store.lock("payment_method", payment_method_id, param="payment_method")
    if not before["customer"]:
        raise UnexpectedState(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    customer_before = store.lock("customer", before["customer"])
    customer = copy.deepcopy(customer_before)
    if customer["invoice_settings"]["default_payment_method"] == payment_method_id:
        customer["invoice_settings"]["default_payment_method"] = None
    for subscription_before in store.find("subscription", customer=customer["id"]):
        if subscription_before["default_payment_method"] == payment_method_id:
            store.save(subscription_before | {"default_payment_method": None})
    events.update(before | {"customer": None}, before=before, event_type="payment_method.detached", now=now)
    events.update(customer, before=customer_before, event_type="customer.updated", now=now)
    return store.get("payment_method", payment_method_id)


@transaction.atomic
def update_payment_method(payment_method_id: str, params: Data, *, now: datetime) -> Data:
    """This will change the address, the expiry or the metadata of a payment method."""
    before = store.lock("payment_method", payment_method_id, param="payment_method")
    payment_method = copy.deepcopy(before)
    changes.set_fields(payment_method, params, ("allow_redisplay",))
    changes.set_metadata(payment_method, params)
    if details := params.get("billing_details"):
        payment_method["billing_details"] = _billing_details(before["billing_details"] | details)
    if card := params.get("card"):
        payment_method["card"] |= {name: int(card[name]) for name in ("exp_month", "exp_year") if name in card}
    return events.update(payment_method, before=before, event_type="payment_method.updated", now=now)


def get_usable(payment_method_id: str, *, customer: str | None, now: datetime, param: str = "payment_method") -> Data:
    """This will return what may pay for this customer: a payment method by id, or by a name (`pm_card_visa`).

    :raises ResourceMissing: for an unknown one.
    :raises ParameterInvalid: for one that is attached to another customer.
    """
    if payment_method_id in cards.NAMED_CARDS or payment_method_id in cards.NAMED_BANK_ACCOUNTS:
        return _lock_or_make(payment_method_id, now=now)
    payment_method = store.get("payment_method", payment_method_id, param=param, status=400)
    if payment_method["customer"] in (None, customer):
        return payment_method
    if customer is None:
        raise ParameterInvalid(
            param,
            "The payment method you provided is attached to a customer so for security purposes you must provide the "
            "customer in the request.",
        )
    raise ParameterInvalid(
        param,
        f"The customer does not have a payment method with the ID {payment_method_id}. The payment method must be "
        "attached to the customer.",
    )


def get_owned(
    payment_method_id: str, *, customer: str, param: str = "invoice_settings[default_payment_method]"
) -> Data:
    """This will return a payment method that is attached to this customer.

    :raises ResourceMissing: for any other.
    """
    payment_method = store.find_any(payment_method_id)
    if payment_method is None or payment_method["object"] != "payment_method" or payment_method["customer"] != customer:
        raise ResourceMissing("payment_method", payment_method_id, param, status=400)
    return payment_method


def refuse_unless_savable(payment_method: Data) -> None:
    """This will raise what Stripe does when a card that declines is saved."""
    outcome = store.get_private(payment_method["id"])["outcome"]
    refusal = cards.REFUSALS.get(outcome)
    if refusal and payment_method["type"] == "card":
        raise CardDeclined(refusal.message, code=refusal.code, decline_code=refusal.decline_code)


def _lock_or_make(payment_method_id: str, *, now: datetime) -> Data:
    if account_number := cards.NAMED_BANK_ACCOUNTS.get(payment_method_id):
        return create_bank_account(account_number=account_number, details={}, now=now)
    number = cards.NAMED_CARDS.get(payment_method_id)
    if number is None:
        return store.lock("payment_method", payment_method_id, param="payment_method")
    return create_card(number=number, exp_month=12, exp_year=now.year + 3, cvc=None, details={}, now=now)


def _billing_details(details: Data) -> Data:
    return payment_method_objects.new_billing_details(
        name=details.get("name") or None, email=details.get("email") or None, address=details.get("address") or None
    ) | {"phone": details.get("phone") or None}
