"""Look through the rows for what 0013 began to demand, while they go on being written."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0014_accept_purchase")]

    operations = [ValidateConstraint(model_name="subscription", name="subscription_displaced_whole")]
