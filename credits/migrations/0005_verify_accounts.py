"""Verify many accounts with one reading of their rows."""

from django.db import migrations

from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_search")]

    operations = [
        migrations.RunSQL("DROP FUNCTION IF EXISTS credits_verify_account(uuid)", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql.read("verify_accounts"), reverse_sql=migrations.RunSQL.noop),
    ]
