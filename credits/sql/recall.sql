-- Was this key used before? status: null (no), replay (same content), conflict (other content).
CREATE OR REPLACE FUNCTION credits_recall(
  p_account uuid, p_action text, p_key text, p_content text, OUT status text, OUT entry_number bigint, OUT expires_at timestamptz
) LANGUAGE plpgsql AS $$
BEGIN
  IF p_key IS NULL THEN
    RETURN;
  END IF;
  SELECT CASE WHEN k.content = p_content THEN 'replay' ELSE 'conflict' END, k.entry_number, k.expires_at
    INTO status, entry_number, expires_at
    FROM credits_keyrecord k WHERE k.account_id = p_account AND k.action = p_action AND k.idempotency_key = p_key;
END $$;
