"""Book what comes back too late to its lot when it comes back, not at the end that the lot had while it was held."""

from django.db import migrations

from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0011_place_holds")]

    operations = [migrations.RunSQL(sql.read("return_credits"), reverse_sql=migrations.RunSQL.noop)]
