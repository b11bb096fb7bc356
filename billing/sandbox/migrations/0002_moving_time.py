from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing_sandbox", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="WebhookFault",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "effect",
                    models.CharField(
                        choices=[
                            ("duplicate", "Duplicate"),
                            ("reorder", "Reorder"),
                            ("delay", "Delay"),
                            ("drop", "Drop"),
                        ],
                        max_length=20,
                    ),
                ),
                ("event_type", models.CharField(default="*", max_length=255)),
                ("remaining", models.PositiveIntegerField(blank=True, null=True)),
                ("seconds", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.AlterField(
            model_name="delivery",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("delivered", "Delivered"),
                    ("given_up", "Given Up"),
                    ("dropped", "Dropped"),
                ],
                default="waiting",
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="ClockOffset",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("seconds", models.BigIntegerField()),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="sandbox_one_clock_offset")],
            },
        ),
    ]
