-- Let an open hold live until p_ttl from now, where that is later than now planned; at most p_longest after it was placed.
-- status: ok, replay, conflict, settled, expired, too_long, unknown
CREATE OR REPLACE FUNCTION credits_extend_hold(
  p_account uuid, p_number bigint, p_ttl interval, p_longest interval, p_key text, p_now timestamptz, OUT status text, OUT hold credits_hold
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
  v_content text := p_number || '|' || extract(epoch FROM p_ttl);
  r record;
BEGIN
  SELECT * INTO hold FROM credits_hold h WHERE h.account_id = p_account AND h.number = p_number;
  r := credits_recall(p_account, 'extend', p_key, v_content);
  status := coalesce(r.status, CASE
    WHEN hold.number IS NULL THEN 'unknown'
    WHEN hold.status = 'expired' THEN 'expired'
    WHEN hold.status <> 'open' THEN 'settled'
    WHEN p_now + p_ttl > hold.created_at + p_longest THEN 'too_long'
    ELSE 'ok'
  END);
  IF status = 'replay' THEN
    hold.expires_at := r.expires_at;
  END IF;
  IF status <> 'ok' THEN
    RETURN;
  END IF;
  UPDATE credits_hold h SET expires_at = greatest(h.expires_at, p_now + p_ttl), first_expires_at = coalesce(h.first_expires_at, h.expires_at)
   WHERE h.account_id = p_account AND h.number = p_number
  RETURNING * INTO hold;
  PERFORM credits_remember(p_account, 'extend', p_key, v_content, p_now, p_expires => hold.expires_at);
END $$;
