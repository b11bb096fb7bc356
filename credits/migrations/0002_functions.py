"""Install the ledger's functions and triggers. A later change to a file of `credits/sql/` needs a migration that installs again."""

from django.db import migrations

from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_initial")]

    operations = [
        migrations.RunSQL(sql.install(), reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql.read("tables"), reverse_sql=migrations.RunSQL.noop),
    ]
