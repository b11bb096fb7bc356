"""Place a batch of holds at once where each of them would be placed: one debit for all, not one each."""

from django.db import migrations

from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0010_report")]

    operations = [migrations.RunSQL(sql.read("place_holds"), reverse_sql=migrations.RunSQL.noop)]
