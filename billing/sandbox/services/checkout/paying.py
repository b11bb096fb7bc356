"""What a customer does on the hosted page, and what comes of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import transaction

from billing.sandbox import cards, store
from billing.sandbox.errors import CardDeclined, ParameterInvalid, UnexpectedState
from billing.sandbox.objects import checkout as checkout_objects
from billing.sandbox.services import (
    customers,
    discounts,
    events,
    invoices,
    payment_methods,
    payments,
)
from billing.sandbox.services.checkout import completing, discounting, sessions

Data = dict[str, Any]


@dataclass(frozen=True)
class CardFields:
    """What was typed on the page, as it was typed."""

    number: str
    expiry: str
    cvc: str
    name: str = ""
    email: str = ""
    country: str = "US"
    postal_code: str = ""


@dataclass(frozen=True)
class PaymentOutcome:
    """What became of an attempt to pay.

    `complete`: go to `redirect_url`. `declined` or `invalid`: show `message` (`field` names the wrong input: number,
    exp_month, exp_year, cvc, account_number, email; none where a discount was lost) and let them try again.
    `requires_authentication`: show the page of the payment intent `payment_intent`, which ends in
    `complete_authentication` or `fail_authentication`.
    """

    status: Literal["complete", "declined", "invalid", "requires_authentication"]
    session: Data
    message: str = ""
    field: str = ""
    redirect_url: str = ""
    payment_intent: str = ""


def pay_with_card(*, session_id: str, card: CardFields, now: datetime) -> PaymentOutcome:
    """This will try to pay an open session with a card.

    :raises UnexpectedState: when the session is not open any more.
    """
    session = sessions.get_session(session_id, now=now)
    try:
        with transaction.atomic():
            session = sessions.lock_open(session_id, now=now)
            email = _check_email(session, card.email)
            exp_month, exp_year = cards.parse_expiry(card.expiry)
            address = {"country": card.country or None, "postal_code": card.postal_code or None}
            payment_method = payment_methods.create_card(
                number=card.number,
                exp_month=exp_month,
                exp_year=exp_year,
                cvc=card.cvc,
                details={"name": card.name, "email": email, "address": address},
                now=now,
            )
            return _pay(session, payment_method, now=now)
    except (CardDeclined, ParameterInvalid) as error:
        return PaymentOutcome("invalid", session, message=error.message, field=error.param or "")


def pay_with_bank_debit(
    *,
    session_id: str,
    account_number: str,
    now: datetime,
    name: str = "",
    email: str = "",
) -> PaymentOutcome:
    """This will complete a session unpaid, by a debit that the bank answers later, as the test account number has it.

    :raises UnexpectedState: when the session is not open any more.
    """
    session = sessions.get_session(session_id, now=now)
    try:
        with transaction.atomic():
            session = sessions.lock_open(session_id, now=now)
            details = {"name": name, "email": _check_email(session, email)}
            payment_method = payment_methods.create_bank_account(
                account_number=account_number.replace(" ", ""), details=details, now=now
            )
            return _pay(session, payment_method, now=now)
    except ParameterInvalid as error:
        return PaymentOutcome("invalid", session, message=error.message, field=error.param or "")


@transaction.atomic
def complete_without_payment(*, session_id: str, now: datetime, email: str = "") -> PaymentOutcome:
    """This will complete a session that comes to nothing (a full discount, a trial without a card).

    :raises UnexpectedState: when there is something to pay.
    """
    session = sessions.lock_open(session_id, now=now)
    if amount_due_now(session):
        raise UnexpectedState("This Checkout Session needs a payment.")
    if refusal := discounting.drop_if_over(session, now=now):
        return PaymentOutcome("invalid", session, message=refusal)
    _ensure_customer(session, {"email": _check_email(session, email), "name": None, "address": {}}, now=now)
    return _complete(session, None, None, now=now)


@transaction.atomic
def complete_authentication(*, session_id: str, now: datetime) -> PaymentOutcome:
    """This will play the customer who passes 3-D Secure: the session is paid, if the card then pays.

    :raises UnexpectedState: when the session is not open, or does not wait for that.
    """
    session = sessions.lock_open(session_id, now=now)
    intent = payments.complete_authentication(_intent_id(session), now=now)
    if intent["status"] == "requires_payment_method":
        return _refused(session, intent)
    payment_method = store.get("payment_method", intent["payment_method"])
    return _complete(session, intent, payment_method, now=now)


@transaction.atomic
def fail_authentication(*, session_id: str, now: datetime) -> PaymentOutcome:
    """This will play the customer who fails 3-D Secure: the session stays open and another card may be tried.

    :raises UnexpectedState: when the session is not open, or does not wait for that.
    """
    session = sessions.lock_open(session_id, now=now)
    intent = payments.fail_authentication(_intent_id(session), now=now)
    return _refused(session, intent)


@transaction.atomic
def settle_bank_debit(*, session_id: str, now: datetime, outcome: Literal["succeed", "fail"] | None = None) -> Data:
    """This will play the bank's answer and return the session; without `outcome` the test account number decides.

    A session whose debit was settled before is left as it is.
    """
    session = store.lock("checkout.session", session_id, param="session")
    intent_id = store.get_private(session_id).get("payment_intent")
    if session["status"] != "complete" or intent_id is None:
        return session
    if store.get("payment_intent", intent_id)["status"] != "processing":
        return session
    intent = payments.settle_bank_debit(intent_id, outcome=outcome, now=now)
    succeeded = intent["status"] == "succeeded"
    invoices.settle_by_intent(intent, now=now)
    if succeeded:
        session["payment_status"] = "paid"
        if session["mode"] == "payment":
            completing.invoice_purchase(session, intent, now=now)
    store.save(session)
    events.emit(f"checkout.session.async_payment_{'succeeded' if succeeded else 'failed'}", session, now=now)
    return session


def amount_due_now(session: Data) -> int:
    """This will return what has to be paid to complete a session, in cents: nothing during a trial."""
    if session["mode"] == "setup" or sessions.starts_free(session):
        return 0
    amount: int = session["amount_total"]
    return amount


def _pay(session: Data, payment_method: Data, *, now: datetime) -> PaymentOutcome:
    if refusal := discounting.drop_if_over(session, now=now):
        return PaymentOutcome("invalid", session, message=refusal)
    _ensure_customer(session, payment_method["billing_details"], now=now)
    if session["mode"] == "setup":
        payment_methods.refuse_unless_savable(payment_method)
    if not amount_due_now(session):
        return _complete(session, None, payment_method, now=now)
    intent = _ensure_intent(session, now=now)
    intent = payments.confirm_intent(intent["id"], payment_method, return_url=session["success_url"], now=now)
    store.save(session)
    if intent["status"] == "requires_action":
        return PaymentOutcome(
            "requires_authentication",
            session,
            payment_intent=intent["id"],
            redirect_url=intent["next_action"]["redirect_to_url"]["url"],
        )
    if intent["status"] == "requires_payment_method":
        return _refused(session, intent)
    return _complete(session, intent, payment_method, now=now)


def _refused(session: Data, intent: Data) -> PaymentOutcome:
    return PaymentOutcome("declined", session, message=intent["last_payment_error"]["message"])


def _complete(session: Data, intent: Data | None, payment_method: Data | None, *, now: datetime) -> PaymentOutcome:
    """Close a session that is paid, or whose payment is on its way."""
    session |= {
        "status": "complete",
        "url": None,
        "payment_status": "no_payment_required"
        if intent is None
        else ("paid" if intent["status"] == "succeeded" else "unpaid"),
    }
    store.set_due(session["id"], None)
    private = store.get_private(session["id"])
    if payment_method and session["mode"] == "setup":
        completing.set_up(session, payment_method, now=now)
    elif payment_method and session["customer"]:
        completing.save_payment_method(session, payment_method, intent, now=now)
    if session["mode"] == "subscription":
        completing.subscribe(session, intent, payment_method, now=now)
    elif session["mode"] == "payment" and (intent is None or intent["status"] == "succeeded"):
        completing.invoice_purchase(session, intent, now=now)
    if coupon := private.get("coupon"):
        discounts.note_redemption(coupon["id"], session["discounts"][0]["promotion_code"])
    store.save(session)
    events.emit("checkout.session.completed", session, now=now)
    return PaymentOutcome("complete", session, redirect_url=_return_url(session))


def _ensure_customer(session: Data, details: Data, *, now: datetime) -> None:
    """Note who pays, and make the customer where the session's mode needs one."""
    address = details["address"] or {}
    session["customer_details"] = checkout_objects.new_customer_details(
        email=details["email"],
        name=details["name"],
        address={"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
        | address,
    )
    if session["customer"]:
        _update_customer(session, details, now=now)
        return
    needs_one = session["customer_creation"] == "always" or (session["invoice_creation"] or {}).get("enabled")
    if needs_one:
        params = {name: details[name] for name in ("email", "name") if details[name]}
        session["customer"] = customers.create_customer(params, now=now)["id"]
        store.save(session)


def _update_customer(session: Data, details: Data, *, now: datetime) -> None:
    wanted = store.get_private(session["id"])["params"].get("customer_update") or {}
    params: Data = {}
    if wanted.get("name") == "auto" and details["name"]:
        params["name"] = details["name"]
    if wanted.get("address") == "auto" and details["address"]:
        params["address"] = {name: value for name, value in details["address"].items() if value}
    if params:
        customers.update_customer(session["customer"], params, now=now)


def _ensure_intent(session: Data, *, now: datetime) -> Data:
    """Return the session's payment intent; it is made at the first attempt, as Stripe does."""
    private = store.get_private(session["id"])
    if intent_id := private.get("payment_intent"):
        return store.get("payment_intent", intent_id)
    data = private["params"].get("payment_intent_data") or {}
    is_subscription = session["mode"] == "subscription"
    intent = payments.create_intent(
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        payment_method_types=session["payment_method_types"],
        description="Subscription creation" if is_subscription else data.get("description"),
        metadata={} if is_subscription else dict(data.get("metadata") or {}),
        receipt_email=data.get("receipt_email"),
        setup_future_usage="off_session" if is_subscription else data.get("setup_future_usage"),
        now=now,
    )
    store.set_private(session["id"], payment_intent=intent["id"])
    if not is_subscription:
        session["payment_intent"] = intent["id"]
    return intent


def _intent_id(session: Data) -> str:
    intent_id = store.get_private(session["id"]).get("payment_intent")
    if intent_id is None:
        raise UnexpectedState("This Checkout Session does not wait for authentication.")
    return str(intent_id)


def _check_email(session: Data, typed: str) -> str | None:
    """Return the e-mail of who pays: the customer's, the one given in advance, or the one typed."""
    known = session["customer_email"]
    if session["customer"]:
        known = store.get("customer", session["customer"])["email"]
    if known:
        return str(known)
    if not looks_like_email(typed.strip()):
        message = "Your email is invalid." if typed else "Email is required."
        raise ParameterInvalid("email", message, code="email_invalid")
    return typed.strip()


def looks_like_email(text: str) -> bool:
    """This will say whether mail could go there."""
    name, _, host = text.partition("@")
    return bool(name) and "." in host.strip(".") and " " not in text and "@" not in host


def _return_url(session: Data) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])
