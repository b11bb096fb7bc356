"""The price of credits, to the cent."""

import pytest

from billing import pricing, selectors
from billing.models import Package
from billing.pricing import divide_half_up

pytestmark = pytest.mark.django_db


class TestPackages:
    def test_are_exactly_those_of_the_catalogue(self) -> None:
        rows = [
            (package.pk, package.credits, package.price_cents, package.bonus_credits)
            for package in selectors.list_packages()
        ]
        assert rows == [
            ("starter", 50, 500, 0),
            ("basic", 100, 900, 5),
            ("standard", 250, 2000, 15),
            ("pro", 500, 3500, 40),
            ("business", 1000, 6000, 100),
            ("enterprise", 5000, 25000, 750),
        ]

    def test_one_is_popular_and_one_the_best_value(self) -> None:
        assert Package.objects.get(is_popular=True).pk == "basic"
        assert Package.objects.get(is_best_value=True).pk == "business"

    def test_one_that_is_withdrawn_is_not_for_sale(self) -> None:
        Package.objects.filter(pk="basic").update(is_active=False)
        assert "basic" not in [package.pk for package in selectors.list_packages()]
        assert selectors.get_quote(credits_amount=100).package is None


class TestQuote:
    @pytest.mark.parametrize(
        ("credits_amount", "price_cents", "better"),
        [
            (10, 100, None),
            (49, 490, None),
            (51, 510, None),
            (101, 900, "basic"),
            (105, 900, None),
            (106, 954, None),
            (137, 1233, None),
            (251, 2000, "standard"),
            (999, 6000, "business"),
            (1101, 6606, None),
            (5001, 25000, "enterprise"),
            (10_000, 50_000, None),
        ],
    )
    def test_of_a_custom_amount(self, credits_amount: int, price_cents: int, better: str | None) -> None:
        quote = selectors.get_quote(credits_amount=credits_amount)
        assert (quote.price_cents, quote.bonus_credits, quote.package) == (price_cents, 0, None)
        assert (quote.better_package.pk if quote.better_package else None) == better

    @pytest.mark.parametrize(("credits_amount", "slug", "bonus"), [(100, "basic", 5), (5000, "enterprise", 750)])
    def test_of_a_package_is_the_package(self, credits_amount: int, slug: str, bonus: int) -> None:
        quote = selectors.get_quote(credits_amount=credits_amount)
        assert quote.package is not None
        assert (quote.package.pk, quote.bonus_credits, quote.total_credits) == (slug, bonus, credits_amount + bonus)
        assert quote.better_package is None

    def test_never_costs_more_than_a_package_that_gives_as_much(self) -> None:
        packages = selectors.list_packages()
        for amount in range(pricing.MIN_CREDITS, pricing.MAX_CREDITS + 1):
            quote = pricing.quote(credits_amount=amount, packages=packages, currency="usd")
            enough = [package.price_cents for package in packages if package.total_credits >= quote.total_credits]
            assert quote.price_cents <= min(enough, default=quote.price_cents)


class TestRounding:
    @pytest.mark.parametrize(
        ("numerator", "denominator", "rounded"), [(1, 2, 1), (3, 2, 2), (5, 4, 1), (7, 4, 2), (123_300, 100, 1233)]
    )
    def test_takes_halves_up(self, numerator: int, denominator: int, rounded: int) -> None:
        assert divide_half_up(numerator, denominator) == rounded
