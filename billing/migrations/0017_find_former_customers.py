from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # large tables go on being written to meanwhile

    dependencies = [("billing", "0016_former_customers")]

    operations = [
        AddIndexConcurrently(model_name="customer", index=GinIndex(fields=["former_ids"], name="customer_former_ids")),
    ]
