"""The plans and the price list as the product starts with them. Staff edit them afterwards."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import migrations

PRO = ["image_generation", "video_generation", "audio_generation", "priority_queue", "api_access", "email_support"]
PLANS: list[dict[str, Any]] = [
    {
        "slug": "free",
        "display_name": "Free",
        "description": "Try it: 10 credits every month.",
        "monthly_credits": Decimal(10),
        "price_monthly_cents": 0,
        "price_yearly_cents": 0,
        "features": ["image_generation", "basic_support"],
        "max_storage_mb": 100,
        "is_popular": False,
        "position": 1,
    },
    {
        "slug": "pro",
        "display_name": "Pro",
        "description": "Images, video and audio: 500 credits every month.",
        "monthly_credits": Decimal(500),
        "price_monthly_cents": 2900,
        "price_yearly_cents": 29000,
        "features": PRO,
        "max_storage_mb": 5000,
        "is_popular": True,
        "position": 2,
    },
    {
        "slug": "enterprise",
        "display_name": "Enterprise",
        "description": "For teams: 5,000 credits every month, custom models and an SLA.",
        "monthly_credits": Decimal(5000),
        "price_monthly_cents": 19900,
        "price_yearly_cents": 199000,
        "features": [*PRO, "custom_models", "sla", "dedicated_support", "audit_logs"],
        "max_storage_mb": 50000,
        "is_popular": False,
        "position": 3,
    },
]
EFFECTIVE_FROM = datetime(2020, 1, 1, tzinfo=UTC)
RATES: list[dict[str, Any]] = [
    {
        "operation": "image_generation",
        "unit": "image",
        "base_credits": Decimal("1"),
        "modifiers": [
            {"label": "HD quality", "field": "quality", "equals": "hd", "percent": 50},
            {"label": "4K quality", "field": "quality", "equals": "4k", "percent": 100},
        ],
    },
    {
        "operation": "video_generation",
        "unit": "video",
        "base_credits": Decimal("5"),
        "modifiers": [{"label": "Longer than 5 seconds", "field": "duration_seconds", "above": 5, "percent": 100}],
    },
    {"operation": "audio_generation", "unit": "started_30_seconds", "base_credits": Decimal("0.5"), "modifiers": []},
    {"operation": "storage", "unit": "gb_month", "base_credits": Decimal("0.01"), "modifiers": []},
]


def seed(apps: Any, schema_editor: Any) -> None:
    """Create what is not there; what staff changed stays."""
    for plan in PLANS:
        apps.get_model("credits", "Plan").objects.get_or_create(slug=plan["slug"], defaults=plan)
    for rate in RATES:
        apps.get_model("credits", "Rate").objects.get_or_create(
            operation=rate["operation"], model_id="", effective_from=EFFECTIVE_FROM, defaults=rate
        )


class Migration(migrations.Migration):
    dependencies = [("credits", "0002_functions")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
