"""The price of credits. Pure arithmetic in whole cents; what is for sale is given, nothing is read."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.models import Package

MIN_CREDITS = 10
MAX_CREDITS = 10_000
CUSTOM_CREDIT_PRICE_CENTS = 10


@dataclass(frozen=True)
class Quote:
    """What a checkout for `credits_amount` credits would charge and give."""

    credits: int
    bonus_credits: int
    price_cents: int
    currency: str
    package: Package | None
    better_package: Package | None

    @property
    def total_credits(self) -> int:
        return self.credits + self.bonus_credits


def quote(*, credits_amount: int, packages: Sequence[Package], currency: str) -> Quote:
    """Return the price of `credits_amount` credits in cents: a package's, else a custom amount's."""
    package = next((package for package in packages if package.credits == credits_amount), None)
    if package is not None:
        price_cents, bonus_credits, currency = package.price_cents, package.bonus_credits, package.currency
    else:
        price_cents, bonus_credits = custom_price_cents(credits_amount=credits_amount, packages=packages), 0
    return Quote(
        credits=credits_amount,
        bonus_credits=bonus_credits,
        price_cents=price_cents,
        currency=currency,
        package=package,
        better_package=better_package(
            total_credits=credits_amount + bonus_credits, price_cents=price_cents, packages=packages
        ),
    )


def custom_price_cents(*, credits_amount: int, packages: Sequence[Package]) -> int:
    """Return the price of an amount that is no package: by the credit, never more than a package that gives as many."""
    price_cents = credits_amount * CUSTOM_CREDIT_PRICE_CENTS
    not_above = [package for package in packages if package.credits <= credits_amount]
    if not_above:
        largest = max(not_above, key=lambda package: package.credits)
        price_cents = min(price_cents, divide_half_up(credits_amount * largest.price_cents, largest.credits))
    enough = [package.price_cents for package in packages if package.total_credits >= credits_amount]
    return min([price_cents, *enough])


def better_package(*, total_credits: int, price_cents: int, packages: Sequence[Package]) -> Package | None:
    """Return the package that gives most, among those that give more than this for the same money or less."""
    better = [
        package for package in packages if package.price_cents <= price_cents and package.total_credits > total_credits
    ]
    return max(better, key=lambda package: (package.total_credits, -package.price_cents), default=None)


def divide_half_up(numerator: int, denominator: int) -> int:
    """Return numerator / denominator as a whole number, halves rounded up; both are positive."""
    return (2 * numerator + denominator) // (2 * denominator)
