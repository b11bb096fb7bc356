"""Bill an account that can pay in one round trip."""

from django.db import migrations

from media import sql


class Migration(migrations.Migration):
    dependencies = [
        ("media", "0002_day_so_far"),
        ("credits", "0012_return_credits"),
    ]

    operations = [
        migrations.RunSQL(
            sql.read("bill_account"),
            reverse_sql="DROP FUNCTION media_bill_account",
        )
    ]
