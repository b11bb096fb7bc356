"""Let no temporary table stand before the ledger's own: `pg_temp`, unless it is named, is searched before all else.

A role that may only call the operations could otherwise put a table of its own, with a trigger, where an operation writes, and
have the trigger do in the owner's name what the role may not.
"""

from django.db import migrations

from credits import sql


FILES = "78d425228218093afdf6d37e9132a57a6f3b99b77c37454d39bbe9fcd9945faa"


class Migration(migrations.Migration):
    dependencies = [("credits", "0018_returned_before")]

    operations = [migrations.RunSQL(sql.install(), reverse_sql=migrations.RunSQL.noop)]
