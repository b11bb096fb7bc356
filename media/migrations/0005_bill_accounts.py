"""Bill many accounts in one round trip."""

from django.db import migrations

from media import sql


class Migration(migrations.Migration):
    dependencies = [("media", "0004_lists")]

    operations = [
        migrations.RunSQL(sql.read("bill_accounts"), reverse_sql="DROP PROCEDURE media_bill_accounts"),
    ]
