"""What a customer sees in the portal, and does there with cards, billing details and the end of a subscription."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from billing.sandbox import cards, store
from billing.sandbox.errors import ParameterInvalid, ResourceMissing, UnexpectedState
from billing.sandbox.services import clocks, customers, payment_methods, subscriptions
from billing.sandbox.services.checkout import CardFields, looks_like_email

Data = dict[str, Any]

SESSION_LASTS = timedelta(hours=1)


def find_session(secret: str, *, now: datetime) -> Data:
    """This will return the portal session that a URL's secret opens; its hour is one of the customer's clock.

    :raises ResourceMissing: for an unknown secret, or one whose hour is over.
    """
    session = store.find_first("billing_portal.session", private__secret=secret)
    if session is None or clocks.time_of(session["id"], now=now) >= store.moment(session["created"]) + SESSION_LASTS:
        raise ResourceMissing("billing_portal.session", "")
    return session


def get_configuration(session: Data) -> Data:
    """This will return what the session's customer may do."""
    return store.get("billing_portal.configuration", session["configuration"])


def list_subscriptions(session: Data) -> list[Data]:
    """This will return the customer's subscriptions that have not ended, the newest first."""
    found = store.find("subscription", customer=session["customer"])
    return [subscription for subscription in found if subscription["status"] not in subscriptions.ENDED]


def list_payment_methods(session: Data) -> list[Data]:
    """This will return the customer's saved payment methods, the newest first."""
    return store.find("payment_method", customer=session["customer"])


def list_invoices(session: Data) -> list[Data]:
    """This will return the customer's invoices but for drafts, the newest first."""
    return [invoice for invoice in store.find("invoice", customer=session["customer"]) if invoice["status"] != "draft"]


def add_card(*, session: Data, card: CardFields, now: datetime) -> Data:
    """This will save a card and make it the one that every subscription and invoice is paid with.

    :raises CardDeclined: for a card that cannot be or is refused; `param` names the wrong field.
    """
    exp_month, exp_year = cards.parse_expiry(card.expiry)
    address = {"country": card.country or None, "postal_code": card.postal_code or None}
    with transaction.atomic():
        payment_method = payment_methods.create_card(
            number=card.number,
            exp_month=exp_month,
            exp_year=exp_year,
            cvc=card.cvc,
            details={"name": card.name, "email": card.email, "address": address},
            now=now,
        )
        payment_method = payment_methods.attach_payment_method(
            payment_method["id"], customer=session["customer"], now=now
        )
        # The portal's form authenticates a card while it is saved.
        store.set_private(payment_method["id"], is_set_up=True)
        set_default_payment_method(session=session, payment_method_id=payment_method["id"], now=now)
    return payment_method


@transaction.atomic
def set_default_payment_method(*, session: Data, payment_method_id: str, now: datetime) -> Data:
    """This will make a saved card the customer's default, also for subscriptions that had one of their own.

    :raises ResourceMissing: for somebody else's.
    """
    customer = customers.set_default_payment_method(session["customer"], payment_method_id, now=now)
    for subscription in list_subscriptions(session):
        if subscription["default_payment_method"]:
            params = {"default_payment_method": payment_method_id}
            subscriptions.update_subscription(subscription["id"], params, now=now)
    return customer


@transaction.atomic
def remove_payment_method(*, session: Data, payment_method_id: str, now: datetime) -> Data:
    """This will remove a saved card.

    :raises ResourceMissing: for somebody else's.
    :raises UnexpectedState: for the default one while a subscription lives.
    """
    payment_methods.get_owned(payment_method_id, customer=session["customer"], param="payment_method")
    if list_subscriptions(session) and payment_method_id == default_payment_method(session):
        raise UnexpectedState("Your default payment method cannot be removed while you have a subscription.")
    return payment_methods.detach_payment_method(payment_method_id, now=now)


def default_payment_method(session: Data) -> str | None:
    """This will return the id of what the customer pays with."""
    for subscription in list_subscriptions(session):
        if subscription["default_payment_method"]:
            return str(subscription["default_payment_method"])
    customer = store.get("customer", session["customer"])
    default: str | None = customer["invoice_settings"]["default_payment_method"]
    return default


def cancel_subscription(
    *, session: Data, subscription_id: str, now: datetime, feedback: str | None = None, comment: str | None = None
) -> Data:
    """This will cancel as the configuration says: at the period's end or at once.

    :raises ResourceMissing: for somebody else's subscription.
    :raises UnexpectedState: where the configuration does not allow it.
    """
    own_subscription(session, subscription_id)
    rule = get_configuration(session)["features"]["subscription_cancel"]
    if not rule["enabled"]:
        raise UnexpectedState("Subscriptions cannot be cancelled in this portal.")
    details = {name: value for name, value in (("feedback", feedback), ("comment", comment)) if value}
    if rule["mode"] == "immediately":
        behavior = rule["proration_behavior"]
        ends = {"prorate": behavior != "none", "invoice_now": behavior == "always_invoice"}
        return subscriptions.cancel_subscription(subscription_id, {"cancellation_details": details} | ends, now=now)
    # A flexible subscription gets the moment, and not the flag:
    # https://docs.stripe.com/billing/subscriptions/billing-mode/compare
    params = {"cancel_at": "max_period_end", "cancellation_details": details}
    return subscriptions.update_subscription(subscription_id, params, now=now)


def resume_subscription(*, session: Data, subscription_id: str, now: datetime) -> Data:
    """This will take a cancellation at the period's end back.

    :raises ResourceMissing: for somebody else's subscription.
    """
    subscription = own_subscription(session, subscription_id)
    params = {"cancel_at_period_end": False} if subscription["cancel_at_period_end"] else {"cancel_at": ""}
    return subscriptions.update_subscription(subscription_id, params, now=now)


@transaction.atomic
def change_details(*, session: Data, details: Data, now: datetime) -> Data:
    """This will change the customer's billing details, as far as the configuration lets them.

    :raises UnexpectedState: where it does not.
    :raises ParameterInvalid: for an e-mail address that cannot be.
    """
    allowed = allowed_details(session)
    if not allowed or details.keys() - set(allowed):
        raise UnexpectedState("Billing details cannot be changed in this portal.")
    if "email" in details and not looks_like_email(details["email"]):
        raise ParameterInvalid("email", "Your email is invalid.", code="email_invalid")
    return customers.update_customer(session["customer"], details, now=now)


def allowed_details(session: Data) -> list[str]:
    """This will return which of the customer's details may be changed: name, email, phone, address."""
    rule = get_configuration(session)["features"]["customer_update"]
    return [
        name for name in ("name", "email", "phone", "address") if rule["enabled"] and name in rule["allowed_updates"]
    ]


def own_subscription(session: Data, subscription_id: str) -> Data:
    """:raises ResourceMissing: for somebody else's."""
    subscription = store.get("subscription", subscription_id)
    if subscription["customer"] != session["customer"]:
        raise ResourceMissing("subscription", subscription_id)
    return subscription
