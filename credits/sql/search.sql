-- What search looks up. The first 10,000 entries of an account are read through (selectors/search.py), so only what comes after them
-- is here: most accounts never get that far, and pay nothing for it.
CREATE INDEX credits_entry_reference ON credits_entry (account_id, upper(reference_id::text) text_pattern_ops)
  WHERE number > 10000 AND reference_id <> '';
CREATE INDEX credits_entry_model ON credits_entry (account_id, upper(model_id::text) text_pattern_ops)
  WHERE number > 10000 AND model_id <> '';
CREATE INDEX credits_entry_words ON credits_entry USING gin (credits_entry_words(account_id, description))
  WITH (gin_pending_list_limit = 512) WHERE number > 10000;
