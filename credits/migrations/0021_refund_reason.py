"""Refuse a refund's key with another reason: another body is a conflict."""

from django.db import migrations

from credits import sql

FILES = "f5a5d9ab2cd2613e91f1088609764a88b312e9ecc0d2491adce0866f4857926f"


class Migration(migrations.Migration):
    dependencies = [("credits", "0020_first_expires_at")]

    operations = [migrations.RunSQL(sql.read("refund_capture"), reverse_sql=migrations.RunSQL.noop)]
