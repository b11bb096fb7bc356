"""Let the month of a plan that is over leave alone when the present plan's next allowance is due."""

from django.db import migrations

from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0008_kept")]

    operations = [migrations.RunSQL(sql.read("give_allowance"), reverse_sql=migrations.RunSQL.noop)]
