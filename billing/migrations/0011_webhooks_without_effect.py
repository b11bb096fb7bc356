from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # webhooks go on arriving meanwhile

    dependencies = [("billing", "0010_lists")]

    operations = [
        AddIndexConcurrently(
            model_name="webhook",
            index=models.Index(
                fields=["-trigger"],
                condition=models.Q(job_id__isnull=True, ignored_at__isnull=True),
                name="webhook_without_effect",
            ),
        ),
    ]
