"""Carry the money that was paid for a lot, and what the report must know of the past: when holds ended, what refunds paid off."""

from django.db import migrations, models

import credits.models
from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0009_give_allowance")]

    operations = [
        migrations.AddField(
            "grant",
            "paid_cents",
            models.BigIntegerField(null=True, help_text="what was paid for it, where that is known"),
        ),
        migrations.AddField(
            "grant",
            "currency",
            models.CharField(max_length=3, blank=True, default="", db_default="", help_text="of paid_cents"),
        ),
        migrations.AddField(
            "hold",
            "ended_at",
            models.DateTimeField(null=True, help_text="when it was released or expired; a capture's entry says when"),
        ),
        migrations.AddField(
            "hold",
            "refund_repaid",
            credits.models.CreditsField(null=True, help_text="of repaid: what the refund paid off"),
        ),
        migrations.RunSQL(
            "UPDATE credits_hold SET ended_at = expires_at WHERE status IN ('released', 'expired')",
            reverse_sql=migrations.RunSQL.noop,
        ),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", reverse_sql=migrations.RunSQL.noop),
        migrations.AddConstraint(
            "grant",
            models.CheckConstraint(
                condition=models.Q(("currency", ""), ("paid_cents__isnull", True))
                | models.Q(
                    ("currency__regex", "^[a-z]{3}$"),
                    ("kind", "purchase"),
                    ("paid_cents__gte", 0),
                    ("paid_cents__isnull", False),
                ),
                name="credits_grant_money_is_for_what_was_bought",
            ),
        ),
        migrations.AddConstraint(
            "hold",
            models.CheckConstraint(
                condition=models.Q(("refund_repaid__isnull", True))
                | models.Q(
                    ("refund_entry__isnull", False),
                    ("refund_repaid__gte", 0),
                    ("refund_repaid__lte", models.F("repaid")),
                ),
                name="credits_hold_refund_repaid_in_range",
            ),
        ),
        migrations.AddConstraint(
            "hold",
            models.CheckConstraint(
                condition=models.Q(("ended_at__isnull", False), ("status__in", ["released", "expired"]))
                | models.Q(
                    models.Q(("status__in", ["released", "expired"]), _negated=True), ("ended_at__isnull", True)
                ),
                name="credits_hold_ended_at_a_time",
            ),
        ),
        # Two arguments more: what is created beside the old ones would make every call ambiguous.
        migrations.RunSQL(
            "DROP FUNCTION IF EXISTS credits_give(uuid, text, text, numeric, int, timestamptz, timestamptz, text, text, text, text);"
            "DROP FUNCTION IF EXISTS credits_grant_credits(uuid, text, text, numeric, int, timestamptz, timestamptz, text, text, text)",
            reverse_sql=migrations.RunSQL.noop,
        ),
        *(
            migrations.RunSQL(sql.read(name), reverse_sql=migrations.RunSQL.noop)
            for name in ("give", "grant_credits", "give_back", "end_hold", "refund_capture")
        ),
        migrations.RunSQL(sql.read("sum_lots"), reverse_sql="DROP FUNCTION credits_sum_lots(uuid[], timestamptz)"),
    ]
