"""Spending: holds and how they end, refunds of captures, and charges."""

from credits.services.holds.charges import Charged, charge
from credits.services.holds.placement import HoldRequest, PlacedHold, hold_many, place_hold
from credits.services.holds.refusals import (
    AlreadyRefunded,
    CaptureAboveHold,
    FeatureNotInPlan,
    HoldAlreadySettled,
    HoldExpired,
    HoldNotCaptured,
    HoldTooLong,
    InvalidTimeToLive,
    RefundAboveCapture,
    UnknownHold,
)
from credits.services.holds.settlement import (
    CaptureRequest,
    Settled,
    capture_hold,
    capture_many,
    extend_hold,
    refund_capture,
    release_hold,
)

__all__ = [
    "AlreadyRefunded",
    "CaptureAboveHold",
    "CaptureRequest",
    "Charged",
    "FeatureNotInPlan",
    "HoldAlreadySettled",
    "HoldExpired",
    "HoldNotCaptured",
    "HoldRequest",
    "HoldTooLong",
    "InvalidTimeToLive",
    "PlacedHold",
    "RefundAboveCapture",
    "Settled",
    "UnknownHold",
    "capture_hold",
    "capture_many",
    "charge",
    "extend_hold",
    "hold_many",
    "place_hold",
    "refund_capture",
    "release_hold",
]
