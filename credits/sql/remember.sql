-- Remember what a call with a key did. Only effects are remembered: a refused call may succeed later with the same key.
CREATE OR REPLACE FUNCTION credits_remember(
  p_account uuid, p_action text, p_key text, p_content text, p_at timestamptz, p_entry bigint DEFAULT NULL, p_expires timestamptz DEFAULT NULL
) RETURNS void LANGUAGE sql AS $$
  INSERT INTO credits_keyrecord (account_id, action, idempotency_key, content, entry_number, expires_at, created_at)
  SELECT p_account, p_action, p_key, p_content, p_entry, p_expires, p_at WHERE p_key IS NOT NULL
$$;
