from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # large tables go on being written to meanwhile

    dependencies = [("credits", "0022_set_plan")]

    operations = [
        AddIndexConcurrently(
            model_name="entry",
            index=models.Index(
                fields=["account", "entry_type", "type_number"],
                include=("delta_credits",),
                condition=models.Q(entry_type__in=["adjustment", "clawback"], delta_credits__gt=0),
                name="entry_came_in",
            ),
        ),
    ]
