import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


APPEND_ONLY = """
CREATE FUNCTION users_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what staff did is never changed: % on % is not allowed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER users_append_only BEFORE UPDATE OR DELETE ON users_staffaction FOR EACH ROW EXECUTE FUNCTION users_refuse_change();
CREATE TRIGGER users_no_truncate BEFORE TRUNCATE ON users_staffaction FOR EACH STATEMENT EXECUTE FUNCTION users_refuse_change();
"""
FORGET_APPEND_ONLY = """
DROP TRIGGER users_append_only ON users_staffaction;
DROP TRIGGER users_no_truncate ON users_staffaction;
DROP FUNCTION users_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0002_keys_links_and_rate_counts"),
    ]

    operations = [
        migrations.CreateModel(
            name="StaffAction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("action", models.CharField(help_text="what was done", max_length=60)),
                (
                    "reference_type",
                    models.CharField(blank=True, help_text="what it was done to: a purchase, a webhook", max_length=60),
                ),
                ("reference_id", models.CharField(blank=True, max_length=255)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("customer_asked", "The customer asked for it"),
                            ("paid_not_credited", "Paid, and got nothing"),
                            ("worthless_output", "A job's output was worthless"),
                            ("goodwill", "Goodwill"),
                            ("mistake", "Our mistake, put right"),
                            ("duplicate", "Paid or given twice"),
                            ("fraud", "Fraud or abuse"),
                            ("dispute", "A dispute or chargeback"),
                            ("legal", "The law asks for it"),
                            ("other", "Something else (see the note)"),
                        ],
                        max_length=30,
                    ),
                ),
                ("note", models.TextField()),
                ("before", models.JSONField(default=dict)),
                ("after", models.JSONField(default=dict)),
                ("address", models.GenericIPAddressField(help_text="where they did it from", null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "actor",
                    models.ForeignKey(
                        help_text="who did it",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "whom",
                    models.ForeignKey(
                        db_index=False,
                        help_text="to whom",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["whom", "-created_at"], name="staff_action_by_whom"),
                    models.Index(fields=["-created_at"], name="staff_action_newest"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "reason__in",
                                [
                                    "customer_asked",
                                    "paid_not_credited",
                                    "worthless_output",
                                    "goodwill",
                                    "mistake",
                                    "duplicate",
                                    "fraud",
                                    "dispute",
                                    "legal",
                                    "other",
                                ],
                            )
                        ),
                        name="staff_action_reason_out_of_the_list",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("note", ""), _negated=True), name="staff_action_has_a_note"
                    ),
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, FORGET_APPEND_ONLY),
    ]
