"""Why a hold is not placed, or does not end as it was asked to."""

from smartspec.errors import DomainError


class FeatureNotInPlan(DomainError):
    """The account's plan does not allow the operation."""

    code, status, title = "feature_not_in_plan", 403, "Not in your plan"


class UnknownHold(DomainError):
    """There is no such hold."""

    code, status, title = "unknown_hold", 404, "Unknown hold"


class HoldAlreadySettled(DomainError):
    """The hold ended before, in another way."""

    code, status, title = "hold_already_settled", 409, "The hold has ended"


class HoldExpired(DomainError):
    """The hold was left open past its time: its credits are back, and the output must be withheld."""

    code, status, title = "hold_expired", 409, "The hold has expired"


class CaptureAboveHold(DomainError):
    """More was to be captured than is held."""

    code, status, title = "capture_above_hold", 422, "More than is held"


class HoldNotCaptured(DomainError):
    """Only what was captured can be refunded."""

    code, status, title = "hold_not_captured", 409, "The hold was not captured"


class AlreadyRefunded(DomainError):
    """A capture is refunded once."""

    code, status, title = "already_refunded", 409, "Refunded before"


class RefundAboveCapture(DomainError):
    """More was to be refunded than was captured."""

    code, status, title = "refund_above_capture", 422, "More than was captured"


class HoldTooLong(DomainError):
    """A hold lives 24 hours at most, extensions included."""

    code, status, title = "hold_too_long", 422, "Longer than a hold may live"


class InvalidTimeToLive(DomainError):
    """A time to live is a whole number of seconds from 1 to 86,400."""

    code, status, title = "invalid_ttl", 422, "Not a time to live"
