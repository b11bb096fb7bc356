"""Give search its indexes: references, models, and words of descriptions."""

from django.db import migrations

from credits import sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_catalogue")]

    operations = [
        migrations.RunSQL(sql.read("entry_words"), reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(
            # As `search.sql` was then; `0015` has what it is now.
            """
            CREATE INDEX credits_entry_reference ON credits_entry
              (account_id, upper(reference_id::text) text_pattern_ops) WHERE number > 10000 AND reference_id <> '';
            CREATE INDEX credits_entry_model ON credits_entry
              (account_id, upper(model_id::text) text_pattern_ops) WHERE number > 10000 AND model_id <> '';
            CREATE INDEX credits_entry_words ON credits_entry USING gin (credits_entry_words(account_id, description))
              WITH (gin_pending_list_limit = 512) WHERE number > 10000;
            """,
            reverse_sql="DROP INDEX credits_entry_reference, credits_entry_model, credits_entry_words",
        ),
    ]
