"""Corrections by staff with a second person's decision, and the totals of days."""

import credits.models.fields
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from credits import sql


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0005_verify_accounts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DayTotal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "day_date", "kind", "name", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("day_date", models.DateField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("entries", "entries of a type"),
                            ("usage", "usage of an operation"),
                            ("standing", "what stood in the accounts when it was counted"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "name",
                    models.CharField(help_text="the type, the operation; or available, held, debt", max_length=40),
                ),
                ("count", models.BigIntegerField()),
                ("credits", credits.models.fields.CreditsField(decimal_places=6, max_digits=26)),
                ("counted_at", models.DateTimeField()),
            ],
        ),
        migrations.AlterModelOptions(
            name="account",
            options={"permissions": (("freeze_account", "Can freeze and thaw accounts"),)},
        ),
        migrations.AlterModelOptions(
            name="hold",
            options={"permissions": (("release_hold", "Can end an open hold with nothing spent"),)},
        ),
        migrations.CreateModel(
            name="Adjustment",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "credits",
                    credits.models.fields.CreditsField(
                        decimal_places=6, help_text="signed: above zero is given, below is taken", max_digits=20
                    ),
                ),
                ("expires_at", models.DateTimeField(help_text="of what is given; empty: never", null=True)),
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
                (
                    "state",
                    models.CharField(
                        choices=[("awaiting", "awaiting approval"), ("done", "done"), ("rejected", "rejected")],
                        max_length=10,
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                ("decision_note", models.TextField(blank=True)),
                ("entry_number", models.BigIntegerField(help_text="of the entry in the ledger", null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        help_text="empty: within the limit of who asked",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "permissions": (
                    ("adjust_credits", "Can give and take credits, within the role's limit"),
                    ("approve_adjustment", "Can decide about adjustments above the limit"),
                ),
                "indexes": [
                    models.Index(fields=["requested_by", "requested_at"], name="adjustment_by_requester"),
                    models.Index(fields=["user", "-requested_at"], name="adjustment_by_user"),
                    models.Index(
                        condition=models.Q(("state", "awaiting")), fields=["requested_at"], name="adjustment_awaiting"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("credits", 0), _negated=True), name="adjustment_is_of_some_credits"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_by__isnull", True), ("entry_number__isnull", True), ("state", "awaiting")
                            ),
                            models.Q(("entry_number__isnull", False), ("state", "done")),
                            models.Q(
                                ("decided_by__isnull", False), ("entry_number__isnull", True), ("state", "rejected")
                            ),
                            _connector="OR",
                        ),
                        name="adjustment_moves_the_ledger_when_done",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", True), ("decided_by__isnull", True), ("decision_note", "")),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                                models.Q(("decision_note", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="adjustment_decision_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decided_by__isnull", True),
                            models.Q(("decided_by", models.F("requested_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="adjustment_decided_by_somebody_else",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__isnull", True), ("credits__gt", 0), _connector="OR"),
                        name="adjustment_expires_if_given",
                    ),
                ],
            },
        ),
        migrations.RunSQL(sql.read("count_day"), "DROP FUNCTION credits_count_day(date, boolean, timestamptz)"),
        migrations.RunSQL(sql.read("days"), "DROP INDEX credits_entry_day, credits_usageday_day"),
    ]
