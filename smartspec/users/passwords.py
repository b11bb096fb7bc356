"""What a password must be: long. Any character will do."""

import re
from typing import Any

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

MAX_LENGTH = 128
SPACES = re.compile(r" {2,}")


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
