from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # large tables go on being written to meanwhile

    dependencies = [("billing", "0018_displaced_end")]

    operations = [
        AddIndexConcurrently(
            model_name="subscription",
            index=models.Index(
                name="subscription_displaced",
                fields=["id"],
                condition=Q(~Q(displaced_plan="") | Q(displaced_end_at__isnull=False), ended_at__isnull=True),
            ),
        ),
    ]
