"""Count Free's months from where the account began: they moved when a purchase or a subscription made somebody a customer."""

from django.db import migrations

from credits import sql

FILES = "8c0bed8df96057573767850701986c9a11ce114d0cb5a0ff87474f3fdd89c97d"


class Migration(migrations.Migration):
    dependencies = [("credits", "0024_set_plan_late")]

    operations = [migrations.RunSQL(sql.read("set_plan"), reverse_sql=migrations.RunSQL.noop)]
