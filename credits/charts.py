"""Geometry of the charts that the server draws as SVG. Nothing here knows what a day or a share stands for."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

WIDTH, HEIGHT = 1000, 200
BAR_SHARE = Decimal("0.64")
STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
# A bar of something is never too thin to be seen.
THINNEST = Decimal(2)


@dataclass(frozen=True)
class Bar:
    """One column: the whole of its ground, and the bar that stands on it."""

    ground_x: Decimal
    ground_width: Decimal
    x: Decimal
    y: Decimal
    width: Decimal
    height: Decimal


def columns(values: Sequence[Decimal], top: Decimal) -> list[Bar]:
    """Return a bar for each value, side by side over the whole width, `top` being as high as the chart."""
    width = Decimal(WIDTH) / max(len(values), 1)
    bars = []
    for number, value in enumerate(values):
        height = max(value / top * HEIGHT, THINNEST) if value else Decimal(0)
        bars.append(
            Bar(
                ground_x=round(width * number, 2),
                ground_width=round(width, 2),
                x=round(width * number + width * (1 - BAR_SHARE) / 2, 2),
                y=round(HEIGHT - height, 2),
                width=round(width * BAR_SHARE, 2),
                height=round(height, 2),
            )
        )
    return bars


def round_top(values: Sequence[Decimal]) -> Decimal:
    """Return the smallest round number that is not below any value: 1, 2, 2.5, 5, 10, 20…"""
    largest = max(values, default=Decimal(0))
    if largest <= 1:
        return Decimal(1)
    size = Decimal(10) ** (len(str(int(largest.to_integral_value(ROUND_CEILING)))) - 1)
    return next(step * size for step in STEPS if step * size >= largest)


def shares(values: Sequence[Decimal]) -> list[Decimal]:
    """Return how far each value fills the width, the largest all of it."""
    largest = max(values, default=Decimal(0))
    return [round(max(value / largest * WIDTH, THINNEST), 2) if value > 0 else Decimal(0) for value in values]


def parts(values: Sequence[Decimal]) -> list[tuple[Decimal, Decimal]]:
    """Return where each part of a whole begins on the width, and how wide it is."""
    whole = sum(values, Decimal(0))
    at, placed = Decimal(0), []
    for value in values:
        width = round(value / whole * WIDTH, 2) if whole else Decimal(0)
        placed.append((at, width))
        at += width
    return placed
