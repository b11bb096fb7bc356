"""What a password must be: long, and not what everybody takes. Any character will do."""

import re
from typing import Any

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

MAX_LENGTH = 128
SPACES = re.compile(r" {2,}")
# What is put around a word to make it long enough, and a word that is said again for the same reason.
AROUND = re.compile(r"^[\W\d_]+|[\W\d_]+$")
AGAIN = re.compile(r"^(.+?)\1+$")


class LengthValidator(password_validation.MinimumLengthValidator):
    """A run of spaces counts as one, and there are 128 characters at most."""

    def __init__(self, min_length: int = 12, max_length: int = MAX_LENGTH) -> None:
        super().__init__(min_length)
        self.max_length = max_length

    def validate(self, password: str, user: Any = None) -> None:
        super().validate(SPACES.sub(" ", password), user)
        if len(password) > self.max_length:
            sentence = gettext("This password is too long. It must contain at most %(max_length)d characters.")
            raise ValidationError(sentence % {"max_length": self.max_length}, code="password_too_long")


class CommonPasswordValidator(password_validation.CommonPasswordValidator):
    """Knows a common password also with figures and signs around it, and several times in a row.

    Few of Django's list are long enough to be taken as they are; these are what people make of the others.
    """

    def validate(self, password: str, user: Any = None) -> None:
        bare = AROUND.sub(
            "", password[:MAX_LENGTH].lower()
        )  # a longer one is refused elsewhere, and costs nothing here
        for disguised in (password, bare, AGAIN.sub(r"\1", bare)):
            super().validate(disguised, user)
        if not bare:
            raise ValidationError(self.get_error_message(), code="password_too_common")
