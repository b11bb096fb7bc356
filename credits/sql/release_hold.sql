-- End a hold with nothing spent. What is kept of the reason is that it was this one.
-- status: ok, replay, conflict, settled (it was captured), expired, unknown
CREATE OR REPLACE FUNCTION credits_release_hold(
  p_account uuid, p_number bigint, p_key text, p_now timestamptz, p_reason text DEFAULT NULL,
  OUT status text, OUT hold credits_hold
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
  v_content text := concat_ws('|', p_number, md5(nullif(p_reason, '')));
BEGIN
  SELECT * INTO hold FROM credits_hold h WHERE h.account_id = p_account AND h.number = p_number;
  status := coalesce((credits_recall(p_account, 'release', p_key, v_content)).status, CASE
    WHEN hold.number IS NULL THEN 'unknown'
    WHEN hold.status = 'released' THEN 'replay'
    WHEN hold.status = 'expired' THEN 'expired'
    WHEN hold.status = 'captured' THEN 'settled'
    ELSE 'ok'
  END);
  IF status <> 'ok' THEN
    RETURN;
  END IF;
  PERFORM credits_end_hold(hold, 'released', p_now);
  PERFORM credits_remember(p_account, 'release', p_key, v_content, p_now);
  PERFORM credits_settle_due(p_account, p_now);
  SELECT * INTO hold FROM credits_hold h WHERE h.account_id = p_account AND h.number = p_number;
END $$;
