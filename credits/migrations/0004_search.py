"""Give search its indexes: references, models, and words of descriptions."""

from django.db import migrations

from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_catalogue")]

    operations = [
        migrations.RunSQL(sql.read("entry_words"), reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(
            sql.read("search"),
            reverse_sql="DROP INDEX credits_entry_reference, credits_entry_model, credits_entry_words",
        ),
    ]
