from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0017_find_former_customers")]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="displaced_end_at",
            field=models.DateTimeField(
                help_text="A planned end that has given way to a change not yet made or paid.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="subscription",
            name="displaced_plan",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="A scheduled change that has given way to another change, not yet made or paid.",
                max_length=50,
            ),
        ),
    ]
