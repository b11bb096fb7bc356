"""Hosted Checkout."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from billing.sandbox import presentation, store
from billing.sandbox.errors import ParameterInvalid, ResourceMissing, StripeError, UnexpectedState
from billing.sandbox.pages import orders, responses, sample_cards, timing
from billing.sandbox.pages.forms import BankForm, CardForm, PayerForm
from billing.sandbox.services import checkout

Data = dict[str, Any]


@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, session_id: str) -> HttpResponse:
    """The page behind `session.url`: what is bought, and a card to pay it with."""
    now = timing.now_of(session_id)
    try:
        session = checkout.get_session(session_id, now=now)
    except ResourceMissing:
        return _show_unknown(request)
    if session["status"] != "open":
        return _show_closed(request, session)
    form = CardForm(refusal=_latest_refusal(session))
    if request.method == "POST":
        form = CardForm.read(request.POST)
        order = orders.build_order(session, merchant=presentation.find_merchant_name())
        try:
            outcome = _try_to_pay(session, form, order=order)
        except UnexpectedState:
            # Paid or expired since it was shown: a second click, most often.
            return _show_closed(request, checkout.get_session(session_id, now=timing.now_of(session_id)))
        if outcome is not None and outcome.status == "complete":
            return responses.Leave(outcome.redirect_url)
        if outcome is not None and outcome.status == "requires_authentication":
            return HttpResponseRedirect(reverse("sandbox_authenticate", args=[outcome.payment_intent]))
        if outcome is not None:
            form.note(message=outcome.message, param=outcome.field)
        session = checkout.get_session(session_id, now=now)
    return _show(request, "checkout.html", session, form, card_hints=sample_cards.list_hints())


@require_http_methods(["GET", "HEAD", "POST"])
def pay_by_bank(request: HttpRequest, session_id: str) -> HttpResponse:
    """The same by bank debit, which completes the session unpaid; the bank answers later."""
    now = timing.now_of(session_id)
    try:
        session = checkout.get_session(session_id, now=now)
    except ResourceMissing:
        return _show_unknown(request)
    if session["status"] != "open":
        return _show_closed(request, session)
    if not _takes_debits(session):
        return HttpResponseRedirect(reverse("sandbox_checkout", args=[session_id]))
    form = BankForm()
    if request.method == "POST":
        form = BankForm.read(request.POST)
        if form.is_valid(asks_email=not _fixed_email(session)):
            try:
                outcome = checkout.pay_with_bank_debit(
                    session_id=session_id,
                    account_number=form.account_number,
                    name=form.name,
                    email=form.email,
                    now=now,
                )
            except UnexpectedState:
                return _show_closed(request, checkout.get_session(session_id, now=timing.now_of(session_id)))
            if outcome.status == "complete":
                return responses.Leave(outcome.redirect_url)
            form.note(message=outcome.message, param=outcome.field)
    return _show(request, "bank_debit.html", session, form, accounts=sample_cards.list_accounts())


@require_http_methods(["GET", "HEAD", "POST"])
def promotion_code(request: HttpRequest, session_id: str) -> HttpResponse:
    """A page of its own for a promotion code, so that the card's form keeps one button."""
    now = timing.now_of(session_id)
    try:
        session = checkout.get_session(session_id, now=now)
    except ResourceMissing:
        return _show_unknown(request)
    if session["status"] != "open":
        return _show_closed(request, session)
    code, error = request.POST.get("promotionCode", "").strip(), ""
    if request.method == "POST":
        try:
            if request.POST.get("action") == "remove":
                checkout.remove_promotion_code(session_id, now=now)
            else:
                checkout.apply_promotion_code(session_id, code, now=now)
            return HttpResponseRedirect(reverse("sandbox_checkout", args=[session_id]))
        except (ParameterInvalid, UnexpectedState) as refusal:
            error = refusal.message
    return _show(request, "promotion_code.html", session, PayerForm(), code=code, error=error)


def _try_to_pay(session: Data, form: CardForm, *, order: orders.Order) -> checkout.PaymentOutcome | None:
    """Return what became of the attempt, or None when the form itself is wrong.

    :raises UnexpectedState: when the session is not open any more.
    """
    now = timing.now_of(session["id"])
    asks_email = not _fixed_email(session)
    if order.needs_card:
        if not form.is_valid(now=now, asks_email=asks_email):
            return None
        return checkout.pay_with_card(session_id=session["id"], card=form.fields, now=now)
    try:
        return checkout.complete_without_payment(session_id=session["id"], email=form.email, now=now)
    except ParameterInvalid as error:
        form.note(message=error.message, param=error.param or "")
        return None


def _show(request: HttpRequest, template: str, session: Data, form: PayerForm, **context: Any) -> HttpResponse:
    merchant = presentation.find_merchant_name()
    session_id = session["id"]
    values = {
        "session": session,
        "order": orders.build_order(session, merchant=merchant),
        "form": form,
        "fixed_email": _fixed_email(session),
        "back_url": responses.linkable(session["cancel_url"]),
        "card_url": reverse("sandbox_checkout", args=[session_id]),
        "bank_url": reverse("sandbox_checkout_bank", args=[session_id]) if _takes_debits(session) else "",
        "code_url": reverse("sandbox_checkout_code", args=[session_id]) if session["allow_promotion_codes"] else "",
    }
    return responses.show(request, template, values | context, leads_to=session["success_url"])


def _show_unknown(request: HttpRequest) -> HttpResponse:
    return responses.show_message(
        request,
        "There is no such checkout",
        "The link is incomplete, or it belongs to another sandbox. Go back to where you came from and try again.",
        status=404,
    )


def _show_closed(request: HttpRequest, session: Data) -> HttpResponse:
    """A session that takes no payment any more says so and leads back."""
    if session["status"] == "expired":
        return responses.show_message(
            request,
            "This checkout has expired",
            "Nothing was charged. Go back and start again if you still want to buy.",
            back_url=session["cancel_url"],
            status=410,
        )
    onward = str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])
    if request.method == "POST":
        return responses.Leave(onward)
    debit = _open_debit(session)
    sentences = {
        "paid": "Your payment was received. This checkout cannot be paid again.",
        "unpaid": "Your order was placed, and your bank has not said yet whether it pays.",
        "no_payment_required": "There was nothing to pay.",
    }
    sentence = sentences[session["payment_status"]]
    if session["payment_status"] == "unpaid" and debit is None:
        sentence = "Your bank has refused the debit. Nothing was paid."
    return responses.show_message(request, "You're all done here", sentence, back_url=onward, debit=debit)


def _open_debit(session: Data) -> Data | None:
    intent_id = store.get_private(session["id"]).get("payment_intent")
    intent = store.find_any(intent_id) if intent_id else None
    return intent if intent and intent["status"] == "processing" else None


def _latest_refusal(session: Data) -> str:
    """Why the latest attempt was refused: the way back from 3-D Secure leads here without a form."""
    intent_id = store.get_private(session["id"]).get("payment_intent")
    intent = store.find_any(intent_id) if intent_id else None
    if intent is None or intent["status"] != "requires_payment_method" or not intent["last_payment_error"]:
        return ""
    return str(intent["last_payment_error"]["message"])


def _fixed_email(session: Data) -> str:
    """The address that the payer cannot change: the customer's, or the one given when the session was opened."""
    if session["customer"]:
        try:
            return str(store.get("customer", session["customer"])["email"] or "")
        except StripeError:
            return ""
    return str(session["customer_email"] or "")


def _takes_debits(session: Data) -> bool:
    return "us_bank_account" in session["payment_method_types"] and bool(checkout.amount_due_now(session))
