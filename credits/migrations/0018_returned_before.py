"""Find whose the lots are that were given back before: the clawback of the same refund or dispute knows what it took from."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

# Of a plan, several months may have come back for one cause: their sources name what they return behind the cause.
FIND = """
UPDATE credits_grant g SET returns_grant = o.number
  FROM credits_entry e, credits_entry taken, credits_keyrecord k, credits_grant o
 WHERE g.returns_grant IS NULL AND split_part(g.source, ':', 1) IN ('refund_failed', 'refund_share', 'dispute_won', 'dispute_share')
   AND e.account_id = g.account_id AND e.number = g.number AND e.entry_type = 'clawback'
   AND taken.account_id = g.account_id AND taken.entry_type = 'clawback' AND taken.number < g.number
   AND taken.reference_type = e.reference_type AND taken.reference_id = e.reference_id
   AND k.account_id = g.account_id AND k.action = 'claw_back' AND k.entry_number = taken.number
   AND o.account_id = g.account_id AND o.kind = g.kind AND starts_with(k.content, o.kind || '|' || o.source || '|')
   AND (g.kind <> 'subscription' OR starts_with(
     g.source || ':', split_part(g.source, ':', 1) || ':' || split_part(g.source, ':', 2) || ':' || o.source || ':'))
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0017_returns_grant")]

    operations = [
        migrations.RunSQL(FIND, reverse_sql=migrations.RunSQL.noop),
        ValidateConstraint("grant", "credits_grant_returns_an_earlier_one"),
    ]
