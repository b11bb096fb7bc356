"""Bound what a hold tries when something is due, and let the database refuse what would have made it try for ever.

Holds need no room beside them: a capture cannot be a HOT update, since it leaves the index of the open ones.
"""

from django.db import migrations, models

from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0006_back_office")]

    operations = [
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("next_due_at__lte", models.F("period_end_at"))),
                name="credits_account_due_when_its_period_ends",
            ),
        ),
        migrations.RunSQL(sql.read("settle_due"), reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql.read("place_hold"), reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(
            "ALTER TABLE credits_hold RESET (fillfactor)", reverse_sql="ALTER TABLE credits_hold SET (fillfactor = 85)"
        ),
    ]
