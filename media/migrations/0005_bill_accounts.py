"""Bill many accounts in one transaction, which therefore waits for none of them."""

from django.db import migrations

from media import sql


class Migration(migrations.Migration):
    dependencies = [("media", "0004_lists")]

    operations = [migrations.RunSQL(sql.read("bill_account"), reverse_sql=migrations.RunSQL.noop)]
