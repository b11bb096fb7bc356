from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from credits import catalogue, selectors, services
from credits.models import Rate
from credits.prices import InvalidJob, price_job
from credits.tests.conftest import Give


class TestPrice:
    @pytest.mark.parametrize(
        ("job", "credits"),
        [
            ({"operation": "image_generation"}, "1"),
            ({"operation": "image_generation", "quality": "standard"}, "1"),
            ({"operation": "image_generation", "quality": "hd"}, "1.5"),
            ({"operation": "image_generation", "quality": "4k"}, "2"),
            ({"operation": "image_generation", "quality": "hd", "quantity": 3}, "4.5"),
            ({"operation": "video_generation"}, "5"),
            ({"operation": "video_generation", "duration_seconds": 5}, "5"),
            ({"operation": "video_generation", "duration_seconds": Decimal("5.1")}, "10"),
            ({"operation": "audio_generation", "duration_seconds": 1}, "0.5"),
            ({"operation": "audio_generation", "duration_seconds": 30}, "0.5"),
            ({"operation": "audio_generation", "duration_seconds": Decimal("30.001")}, "1"),
            ({"operation": "audio_generation", "duration_seconds": 95, "quantity": 2}, "4"),
        ],
    )
    def test_is_the_rate_with_its_modifiers(self, db: None, now: datetime, job: dict[str, Any], credits: str) -> None:
        price = price_job(**job, now=now)
        assert price.credits == Decimal(credits)
        assert sum(line.credits for line in price.breakdown) == price.credits

    def test_explains_itself(self, db: None, now: datetime) -> None:
        price = price_job(operation="image_generation", quality="hd", quantity=2, now=now)
        assert [(line.label, line.credits) for line in price.breakdown] == [
            ("2 images at 1", 2),
            ("HD quality (+50 %)", 1),
        ]

    @pytest.mark.parametrize(
        ("job", "attr"),
        [
            ({"operation": "audio_generation"}, "duration_seconds"),
            ({"operation": "audio_generation", "duration_seconds": 0}, "duration_seconds"),
            ({"operation": "audio_generation", "duration_seconds": -5}, "duration_seconds"),
            ({"operation": "audio_generation", "duration_seconds": Decimal("NaN")}, "duration_seconds"),
            ({"operation": "audio_generation", "duration_seconds": 30, "quality": "hd"}, "quality"),
            ({"operation": "video_generation", "quality": "hd"}, "quality"),
            ({"operation": "image_generation", "quality": "8k"}, "quality"),
            ({"operation": "image_generation", "duration_seconds": 5}, "duration_seconds"),
            ({"operation": "image_generation", "quantity": 0}, "quantity"),
            ({"operation": "image_generation", "quantity": 1001}, "quantity"),
            ({"operation": "image_generation", "quantity": True}, "quantity"),
        ],
    )
    def test_refuses_what_does_not_fit(self, db: None, now: datetime, job: dict[str, Any], attr: str) -> None:
        with pytest.raises(InvalidJob) as refusal:
            price_job(**job, now=now)
        assert refusal.value.context["attr"] == attr

    def test_refuses_what_is_not_on_the_list(self, db: None, now: datetime) -> None:
        with pytest.raises(services.UnknownOperation):
            price_job(operation="nonsense", now=now)
        with pytest.raises(services.OperationNotHeld):
            price_job(operation="storage", now=now)

    def test_follows_the_rate_of_the_model_and_of_the_time(self, db: None, now: datetime) -> None:
        job: dict[str, Any] = {"operation": "image_generation", "unit": "image"}
        Rate.objects.create(**job, base_credits=3, model_id="flux", effective_from=now)
        Rate.objects.create(**job, base_credits=7, effective_from=now + timedelta(days=1))
        catalogue.forget()

        def price(model_id: str, at: datetime) -> Decimal:
            return price_job(operation="image_generation", model_id=model_id, now=at).credits

        assert price("flux", now) == 3
        assert price("flux", now + timedelta(days=2)) == 3
        assert price("sdxl", now) == 1
        assert price("sdxl", now + timedelta(days=2)) == 7

    def test_is_rounded_up_once(self, db: None, now: datetime) -> None:
        Rate.objects.create(
            operation="image_generation",
            unit="image",
            base_credits=Decimal("0.000001"),
            modifiers=[{"label": "Third", "field": "quality", "equals": "hd", "percent": 33}],
            effective_from=now,
        )
        catalogue.forget()
        price = price_job(operation="image_generation", quality="hd", quantity=3, now=now)
        assert price.credits == Decimal("0.000004")
        assert sum(line.credits for line in price.breakdown) == price.credits


class TestQuote:
    def test_tells_whether_the_account_can_pay(self, account_id: UUID, give: Give, now: datetime) -> None:
        give(1)
        quote = selectors.quote(account_id=account_id, operation="image_generation", now=now)
        assert (quote.credits, quote.available, quote.affordable) == (1, 1, True)
        dearer = selectors.quote(account_id=account_id, operation="image_generation", quality="hd", now=now)
        assert not dearer.affordable


class TestCatalogue:
    def test_has_the_plans_that_are_sold(self, db: None) -> None:
        plans = [
            (plan.slug, plan.monthly_credits, plan.price_monthly_cents, plan.price_yearly_cents, plan.max_storage_mb)
            for plan in selectors.list_plans()
        ]
        assert plans == [
            ("free", 10, 0, 0, 100),
            ("pro", 500, 2900, 29000, 5000),
            ("enterprise", 5000, 19900, 199000, 50000),
        ]
        assert selectors.get_plan("free").features == ["image_generation", "basic_support"]
        assert set(selectors.get_plan("enterprise").features) - set(selectors.get_plan("pro").features) == {
            "custom_models",
            "sla",
            "dedicated_support",
            "audit_logs",
        }

    def test_lists_rates_in_effect_and_announced(self, db: None, now: datetime) -> None:
        job: dict[str, Any] = {"operation": "image_generation", "unit": "image"}
        Rate.objects.create(**job, base_credits=2, effective_from=now - timedelta(days=1))
        Rate.objects.create(**job, base_credits=3, effective_from=now + timedelta(days=1))
        catalogue.forget()
        rates = [(rate.operation, rate.base_credits) for rate in selectors.list_rates(now=now)]
        assert rates == [
            ("image_generation", 3),
            ("image_generation", 2),
            ("video_generation", 5),
            ("audio_generation", Decimal("0.5")),
            ("storage", Decimal("0.01")),
        ]
