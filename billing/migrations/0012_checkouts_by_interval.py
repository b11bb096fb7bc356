from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # large tables go on being written to meanwhile

    dependencies = [("billing", "0011_webhooks_without_effect")]

    operations = [
        AddIndexConcurrently(
            model_name="subscriptioncheckout",
            index=models.Index(fields=["interval", "-created_at", "id"], name="subscription_checkout_by_term"),
        ),
    ]
