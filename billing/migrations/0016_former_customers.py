from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0015_displaced_whole")]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="former_ids",
            field=ArrayField(
                base_field=models.CharField(max_length=255),
                blank=True,
                db_default=[],
                default=list,
                help_text="Who the user was at Stripe until that was deleted there by hand; earlier payments name them.",
                size=None,
            ),
        ),
    ]
