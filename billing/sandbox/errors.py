"""Stripe's errors, as its API words them."""

from typing import Any, ClassVar


class StripeError(Exception):
    """An answer other than 200. `kind` is Stripe's `type`; `extra` are further fields of the error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.extra = extra

    def as_body(self, *, request_id: str) -> dict[str, Any]:
        """This will return the JSON body of the answer."""
        error: dict[str, Any] = {}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        error["message"] = self.message
        if self.param:
            error["param"] = self.param
        error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}?t=0"
        error["type"] = self.kind
        return {"error": error | self.extra}


class ResourceMissing(StripeError):
    """404: no such object, or not one that this call can see."""

    # Stripe names a few kinds otherwise in this sentence than in `object`.
    SPOKEN: ClassVar = {
        "billing_portal.configuration": "configuration",
        "billing_portal.session": "billing portal session",
        "payment_method": "PaymentMethod",
        "test_helpers.test_clock": "test clock",
    }

    def __init__(self, kind: str, object_id: str, param: str | None = None, *, status: int = 404) -> None:
        spoken = self.SPOKEN.get(kind, kind)
        super().__init__(status, f"No such {spoken}: '{object_id}'", code="resource_missing", param=param or "id")


class ParameterInvalid(StripeError):
    """400: a parameter that means nothing here."""

    def __init__(self, param: str, message: str, code: str | None = None) -> None:
        super().__init__(400, message, code=code, param=param)


class ParameterMissing(StripeError):
    """400: a parameter that this call needs."""

    def __init__(self, param: str) -> None:
        super().__init__(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


class NotPlayed(StripeError):
    """400: Stripe accepts this parameter, or this value of it, and the sandbox has no part for it.

    Stripe has no such error: it is the sandbox's own, so that nobody takes what was left out for done.
    """

    def __init__(self, param: str, *, only: list[str] | None = None) -> None:
        rest = f" (it is always {' or '.join(only)} here)" if only else ""
        super().__init__(
            400, f"The sandbox does not play the parameter {param}{rest}. Stripe itself does.", param=param
        )


class UnexpectedState(StripeError):
    """400: the object is not in a state that allows this."""

    def __init__(self, message: str, code: str | None = None, param: str | None = None, **extra: Any) -> None:
        super().__init__(400, message, code=code, param=param, **extra)


class CardDeclined(StripeError):
    """402: the card was refused. What was written on the way (a failed charge, its events) stays."""

    def __init__(
        self, message: str, *, code: str, decline_code: str | None = None, param: str | None = None, **extra: Any
    ) -> None:
        if decline_code:
            extra["decline_code"] = decline_code
        super().__init__(402, message, kind="card_error", code=code, param=param, **extra)
