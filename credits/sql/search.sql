-- What search looks up. The first 1,000 entries of an account are read through (selectors/search.py), so only what comes after them
-- is here: most accounts never get that far, and pay nothing for it. A model's entries are in order, so that its newest are found at once.
CREATE INDEX CONCURRENTLY credits_entry_by_reference ON credits_entry (account_id, upper(reference_id::text) text_pattern_ops)
  WHERE number > 1000 AND reference_id <> '';
CREATE INDEX CONCURRENTLY credits_entry_by_model ON credits_entry (account_id, model_id, number) WHERE number > 1000 AND model_id <> '';
CREATE INDEX CONCURRENTLY credits_entry_by_words ON credits_entry USING gin (credits_entry_words(account_id, description))
  WITH (gin_pending_list_limit = 512) WHERE number > 1000;
