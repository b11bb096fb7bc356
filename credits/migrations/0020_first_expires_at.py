"""Keep the first end of a hold that was extended: a repeated call is answered as it was at first.

Going back leaves the column and the functions: the code before works with both.
"""

from django.db import migrations, models

from credits import sql

FILES = "5aa842642636b4e6825a8f0cd67cdc307295a106a56a0c203110053efd78d7f0"


class Migration(migrations.Migration):
    dependencies = [("credits", "0019_search_path")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunSQL(
                    "ALTER TABLE credits_hold ADD COLUMN IF NOT EXISTS first_expires_at timestamptz NULL",
                    reverse_sql=migrations.RunSQL.noop,
                )
            ],
            [
                migrations.AddField(
                    "hold",
                    "first_expires_at",
                    models.DateTimeField(null=True, help_text="its end before it was extended"),
                )
            ],
        ),
        *(
            migrations.RunSQL(sql.read(name), reverse_sql=migrations.RunSQL.noop)
            for name in ("place_hold", "extend_hold")
        ),
    ]
