"""Let a plan that is set late not turn the month back, and count again what was used where it did."""

from django.db import migrations

from credits import sql

FILES = "df351942350ab7632642cddafaee71ccfd4e9ae69a1646a6ac62c240b92101f8"
# Each is counted again under its lock: work goes on meanwhile.
REPAIR = """
DO $$
DECLARE
  v_account uuid;
BEGIN
  FOR v_account IN SELECT a.account_id FROM credits_account a
                    WHERE a.last_entry_at >= a.period_start_at AND a.period_used <> credits_used_since(a.account_id, a.period_start_at)
                    ORDER BY a.account_id LOOP
    PERFORM FROM credits_account a WHERE a.account_id = v_account FOR NO KEY UPDATE;
    UPDATE credits_account a SET period_used = credits_used_since(a.account_id, a.period_start_at) WHERE a.account_id = v_account;
  END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0023_came_in")]

    operations = [
        migrations.RunSQL(sql.read("set_plan"), reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(REPAIR, reverse_sql=migrations.RunSQL.noop),
    ]
