from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # large tables go on being written to meanwhile

    dependencies = [("media", "0003_bill_account")]

    operations = [
        AddIndexConcurrently(
            model_name="asset", index=models.Index(fields=["reference_id"], name="media_asset_by_reference")
        ),
    ]
