"""Let a month end with the new anchor's where the old anchor's begins at the same moment."""

from django.db import migrations

from credits import sql

FILES = "aedabb6d0c6d7743b6bd57c0b0c867376ecf8c84ca1326f219d08c5a33679f98"


class Migration(migrations.Migration):
    dependencies = [("credits", "0021_refund_reason")]

    operations = [migrations.RunSQL(sql.read("set_plan"), reverse_sql=migrations.RunSQL.noop)]
