"""Let nothing that the ledger remembers be deleted: keys, counters, usage, and who had Free's allowance."""

from django.db import migrations

from credits import sql

FOUR = ("keyrecord", "entrytotal", "usageday", "freeallowanceaddress")


class Migration(migrations.Migration):
    dependencies = [("credits", "0007_due")]

    operations = [
        migrations.RunSQL(
            sql.read("tables"),
            reverse_sql=[
                "DROP TRIGGER credits_append_only ON credits_keyrecord",
                *(f"DROP TRIGGER credits_no_delete ON credits_{name}" for name in FOUR[1:]),
                *(f"DROP TRIGGER credits_no_truncate ON credits_{name}" for name in FOUR),
            ],
        ),
    ]
