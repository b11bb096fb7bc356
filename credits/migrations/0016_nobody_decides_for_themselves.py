from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    """From now on: what was decided before stays on record as it was."""

    dependencies = [("credits", "0015_search_sooner")]

    operations = [
        AddConstraintNotValid(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(("decided_by__isnull", True))
                | models.Q(("decided_by", models.F("user")), _negated=True),
                name="adjustment_not_decided_by_who_gets_it",
            ),
        ),
    ]
