"""The packages for sale as the product was launched with them. Staff may edit them afterwards; this runs once."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PACKAGES = (
    # id, name, credits, bonus, price in cents
    ("starter", "Starter", 50, 0, 500),
    ("basic", "Basic", 100, 5, 900),
    ("standard", "Standard", 250, 15, 2000),
    ("pro", "Pro", 500, 40, 3500),
    ("business", "Business", 1000, 100, 6000),
    ("enterprise", "Enterprise", 5000, 750, 25000),
)


def seed_packages(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    package_model = apps.get_model("billing", "Package")
    for position, (slug, name, credits, bonus_credits, price_cents) in enumerate(PACKAGES, start=1):
        package_model.objects.create(
            id=slug,
            name=name,
            credits=credits,
            bonus_credits=bonus_credits,
            price_cents=price_cents,
            currency="usd",
            position=position,
            is_popular=slug == "basic",
            is_best_value=slug == "business",
        )


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [migrations.RunPython(seed_packages, migrations.RunPython.noop)]
