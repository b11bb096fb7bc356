"""Let a lot that was given back say whose it is: a clawback takes it before other lots, and it ends with the plan that gave it.

Going back leaves the column and the functions: the code before works with both.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0016_nobody_decides_for_themselves")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunSQL(
                    "ALTER TABLE credits_grant ADD COLUMN IF NOT EXISTS returns_grant bigint NULL",
                    reverse_sql=migrations.RunSQL.noop,
                )
            ],
            [
                migrations.AddField(
                    "grant",
                    "returns_grant",
                    models.BigIntegerField(null=True, help_text="number of the grant whose clawback it undoes"),
                )
            ],
        ),
        AddConstraintNotValid(
            "grant",
            models.CheckConstraint(
                condition=models.Q(("returns_grant__isnull", True))
                | models.Q(("returns_grant__gte", 1), ("returns_grant__lt", models.F("number"))),
                name="credits_grant_returns_an_earlier_one",
            ),
        ),
        *(
            migrations.RunSQL(sql.read(name), reverse_sql=migrations.RunSQL.noop)
            for name in ("claw_back", "give_back", "end_lots")
        ),
    ]
