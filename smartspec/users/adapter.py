"""What this product changes about allauth's sign-up."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.internal.restkit.response import ErrorResponse
from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse

from smartspec.users.models import User


class SignupForm(forms.Form):
    """Sign-up takes a name beside e-mail and password."""

    name = forms.CharField(max_length=150, required=False)

    def signup(self, request: HttpRequest, user: User) -> None:
        """This will keep the name of somebody who just signed up (allauth calls it)."""
        if self.cleaned_data.get("name"):
            user.name = self.cleaned_data["name"]
            user.save(update_fields=["name"])


class AccountAdapter(DefaultAccountAdapter):
    """allauth's adapter for people who are known by their e-mail alone."""

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> AbstractBaseUser:
        try:
            with transaction.atomic():
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

    def get_phone(self, user: AbstractBaseUser) -> tuple[str, bool] | None:
        return None
