from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # a large table goes on taking holds meanwhile

    dependencies = [
        ("credits", "0012_return_credits"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="hold",
            index=BrinIndex(autosummarize=True, fields=["created_at"], name="credits_hold_by_time"),
        ),
    ]
