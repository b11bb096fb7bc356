"""What this product changes about allauth's sign-up and mail."""

import time
from typing import Any
from uuid import uuid4

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.internal.restkit.response import ErrorResponse
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_language_from_request, gettext_lazy

from smartspec import clock, mail
from smartspec.bulkheads import NoTurn
from smartspec.logs import get_logger
from smartspec.users import records, services
from smartspec.users.models import User, one_line

log = get_logger(__name__)

# For a stranger's address as for a known one: the answer tells nobody which it is.
WAITED_FOR = {"account/email/password_reset_code", "account/email/unknown_account"}
CODES = {"account/email/email_confirmation", "account/email/account_already_exists"}


class SignupForm(forms.Form):
    """Sign-up takes a name beside e-mail and password."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=150, required=False, validators=[one_line])

    def signup(self, request: HttpRequest, user: User) -> None:
        """This will keep the name of somebody who just signed up (allauth calls it)."""
        if self.cleaned_data.get("name"):
            user.name = self.cleaned_data["name"]
            user.save(update_fields=["name"])


def write_letter(template_prefix: str, context: dict[str, Any], *, language: str) -> mail.Letter:
    """Return a mail of allauth's occasions in a language and the design of all mail."""
    with translation.override(language):
        subject = " ".join(render_to_string(f"{template_prefix}_subject.txt", context).split())
        return mail.lay_out(subject, render_to_string(f"{template_prefix}_message.txt", context))


def proves_person(record: dict[str, Any]) -> bool:
    """Tell whether what a session's owner showed was their password, or what they are asked for in its place."""
    return record["method"] == "password" or bool(record.get("reauthenticated"))


class AccountAdapter(DefaultAccountAdapter):
    """allauth's adapter for people who are known by their e-mail alone."""

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except forms.ValidationError:
            records.write_throttled()
            raise

    def is_reauthentication_required(self, *, app: str, **rest: Any) -> bool:
        """Another address asks for the password, unless it was typed within the last minutes: by a code to an address
        of their own, whoever found a session open could choose another password.
        """
        if app != "allauth.account":
            return bool(super().is_reauthentication_required(app=app, **rest))
        recently = time.time() - app_settings.REAUTHENTICATION_TIMEOUT
        shown = get_authentication_records(self.request, self.request.user)
        return not any(proves_person(record) and record["at"] > recently for record in shown)

    def post_login(self, request: HttpRequest, user: Any, **login: Any) -> HttpResponse:
        if login["signup"]:  # they have just chosen their password: it was typed as well as at a log-in
            record_authentication(request, user, method="password", email=login["email"])
        response: HttpResponse = super().post_login(request, user, **login)
        if services.note_log_in_place(user=user, address=self.get_client_ip(request), now=clock.now()):
            self.send_notification_mail("account/email/new_place", user)
        return response

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> AbstractBaseUser:
        try:
            with transaction.atomic():
                user.language = get_language_from_request(request)
                return super().save_user(request, user, form, commit)
        except IntegrityError as error:
            # Two sign-ups with one address at the same time: the form of each saw the address free.
            raise self.address_taken(request, "account_signup") from error

    def confirm_email(self, request: HttpRequest, email_address: Any) -> bool:
        try:
            with transaction.atomic():
                return bool(super().confirm_email(request, email_address))
        except IntegrityError as error:
            # A change to an address that somebody else signed up with and has not confirmed.
            raise self.address_taken(request, "account_email") from error

    def address_taken(self, request: HttpRequest, page: str) -> ImmediateHttpResponse:
        """Return the refusal: an error for the app, the form again for a browser."""
        if hasattr(request.allauth, "headless"):  # type: ignore[attr-defined]
            taken = self.validation_error("email_taken")
            return ImmediateHttpResponse(ErrorResponse(request, exception=taken))
        self.add_message(request, messages.ERROR, message=self.error_messages["email_taken"])
        return ImmediateHttpResponse(HttpResponseRedirect(reverse(page)))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail of allauth's, at once: a code is good for minutes.

        Without a mail server a sign-up or a changed password stands all the same. A notice of something that was done
        waits; another code can be asked for later. Who asked for a new password is told.

        :raises mail.MailNotTaken: of a code that lets somebody in.
        """
        try:
            with mail.BULKHEAD.turn(), mail.named_refusal():
                super().send_mail(template_prefix, email, context)
        except (mail.MailNotTaken, NoTurn) as error:
            log.error("Mail not sent", template=template_prefix, error=str(error))
            if template_prefix in WAITED_FOR:
                raise mail.MailServerAway("No mail can be sent just now.") from None
            if template_prefix not in CODES:
                self.keep_notice(template_prefix, email, context)

    def keep_notice(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Let a notice wait for the mail server. One to an address that is nobody's any more is lost."""
        user = User.objects.filter(email__iexact=email).first()
        if user is not None:
            letter = write_letter(template_prefix, context, language=user.language)
            mail.send_letter_once(
                letter, user=user, template=template_prefix, cause=f"notice:{uuid4()}", now=clock.now()
            )

    def render_mail(
        self, template_prefix: str, email: str, context: dict[str, Any], headers: Any = None
    ) -> EmailMultiAlternatives:
        """Return a mail of allauth's occasions in the language of its reader and the design of all mail."""
        user = context.get("user")
        # Of a stranger nothing is known but the language of the page that they are on.
        language = user.language if isinstance(user, User) else translation.get_language() or settings.LANGUAGE_CODE
        letter = write_letter(template_prefix, context, language=language)
        message = EmailMultiAlternatives(letter.subject, letter.text, self.get_from_email(), [email], headers=headers)
        message.attach_alternative(letter.html, "text/html")
        return message

    def get_phone(self, user: AbstractBaseUser) -> tuple[str, bool] | None:
        return None
