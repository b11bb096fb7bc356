from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_invoice_refund_key")]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="changing_until",
            field=models.DateTimeField(
                blank=True,
                help_text="Until then a change of the subscription that is under way keeps others out.",
                null=True,
            ),
        ),
    ]
