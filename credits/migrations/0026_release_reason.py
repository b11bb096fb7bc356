"""Refuse a release's key with another reason: another body is a conflict. What was released under a key without one stays as it was."""

from django.db import migrations

from credits import sql

FILES = "78046422ac39845eed965cc4847f79efae60f1073841a2c46b0c846883a91fe8"


class Migration(migrations.Migration):
    dependencies = [("credits", "0025_one_anchor")]

    operations = [
        # One argument more, which may be left out: beside the old function every call of before would be ambiguous.
        migrations.RunSQL(
            "DROP FUNCTION IF EXISTS credits_release_hold(uuid, bigint, text, timestamptz)",
            reverse_sql=migrations.RunSQL.noop,
        ),
        migrations.RunSQL(sql.read("release_hold"), reverse_sql=migrations.RunSQL.noop),
    ]
