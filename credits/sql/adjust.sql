-- A correction by staff: a positive one is a lot, a negative one takes from the lots in burn order, never more than is available.
-- status: ok, replay, conflict, insufficient, no_account
CREATE OR REPLACE FUNCTION credits_adjust(
  p_account uuid, p_credits numeric, p_priority int, p_expires timestamptz, p_description text, p_reference_type text, p_reference_id text,
  p_key text, p_now timestamptz, OUT status text, OUT available numeric, OUT entry credits_entry
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
  v_content text := concat_ws('|', trim_scale(p_credits), md5(p_description));
  b record;
  r record;
  g credits_grant;
BEGIN
  available := a.available;
  r := credits_recall(p_account, 'adjust', p_key, v_content);
  status := coalesce(r.status, CASE
    WHEN a.account_id IS NULL THEN 'no_account'
    WHEN a.available < -p_credits THEN 'insufficient'
    ELSE 'ok'
  END);
  IF status = 'replay' THEN
    SELECT * INTO entry FROM credits_entry e WHERE e.account_id = p_account AND e.number = r.entry_number;
  END IF;
  IF status <> 'ok' THEN
    RETURN;
  END IF;

  IF p_credits > 0 THEN
    g := credits_give(p_account, 'adjustment', 'adjust:' || p_key, p_credits, p_priority, p_expires, p_now, 'adjustment',
      p_reference_type, p_reference_id, p_description);
    SELECT * INTO entry FROM credits_entry e WHERE e.account_id = p_account AND e.number = g.number;
  ELSE
    b := credits_burn(p_account, -p_credits);
    entry := credits_write_entry(p_account, p_now, 'adjustment', p_available => p_credits, p_lots => b.lots, p_lot_credits => b.lot_credits,
      p_reference_type => p_reference_type, p_reference_id => p_reference_id, p_description => p_description);
  END IF;
  PERFORM credits_remember(p_account, 'adjust', p_key, v_content, p_now, entry.number);
  SELECT x.available INTO available FROM credits_account x WHERE x.account_id = p_account;
END $$;
