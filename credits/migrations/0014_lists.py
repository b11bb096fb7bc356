from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # large tables go on being written to meanwhile

    dependencies = [("credits", "0013_holds_by_time")]

    operations = [
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(fields=["user"], condition=models.Q(debt__gt=0), name="credits_account_in_debt"),
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(fields=["user"], condition=~models.Q(frozen_causes=[]), name="credits_account_frozen"),
        ),
    ]
