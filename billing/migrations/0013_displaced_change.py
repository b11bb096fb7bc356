from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

WHOLE = models.Q(displaced_plan="", displaced_interval="") | (
    ~models.Q(displaced_plan="") & ~models.Q(displaced_interval="")
)


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_checkouts_by_interval")]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="displaced_plan",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="A scheduled change that an upgrade not yet paid has taken the place of.",
                max_length=50,
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="displaced_interval",
            field=models.CharField(blank=True, db_default="", default="", max_length=10),
        ),
        AddConstraintNotValid(
            model_name="subscription",
            constraint=models.CheckConstraint(condition=WHOLE, name="subscription_displaced_whole"),
        ),
    ]
