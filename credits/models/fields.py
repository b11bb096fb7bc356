"""How credits are stored."""

from decimal import Decimal
from typing import Any

from django.db import models

ZERO = Decimal("0")


class CreditsField(models.DecimalField):
    """Credits: exact decimals with 6 places, `numeric(20,6)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 20)
        kwargs.setdefault("decimal_places", 6)
        super().__init__(*args, **kwargs)
