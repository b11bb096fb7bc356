"""Let search look up what comes after an account's first 1,000 entries, and a model's entries in their order."""

from django.db import migrations

from credits import sql

BEFORE = (
    "CREATE INDEX CONCURRENTLY credits_entry_reference ON credits_entry"
    " (account_id, upper(reference_id::text) text_pattern_ops) WHERE number > 10000 AND reference_id <> ''",
    "CREATE INDEX CONCURRENTLY credits_entry_model ON credits_entry"
    " (account_id, upper(model_id::text) text_pattern_ops) WHERE number > 10000 AND model_id <> ''",
    "CREATE INDEX CONCURRENTLY credits_entry_words ON credits_entry USING gin"
    " (credits_entry_words(account_id, description)) WITH (gin_pending_list_limit = 512) WHERE number > 10000",
)
AFTER = tuple(statement.strip() for statement in sql.read("search").split(";\n") if statement.strip())
KINDS = ("reference", "model", "words")


class Migration(migrations.Migration):
    atomic = False  # a large table goes on taking entries meanwhile

    dependencies = [
        ("credits", "0014_lists"),
    ]

    operations = [
        migrations.RunSQL(AFTER, reverse_sql=[f"DROP INDEX CONCURRENTLY credits_entry_by_{kind}" for kind in KINDS]),
        migrations.RunSQL([f"DROP INDEX CONCURRENTLY credits_entry_{kind}" for kind in KINDS], reverse_sql=BEFORE),
    ]
