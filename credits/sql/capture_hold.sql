-- Turn a hold into spend, all of it (p_credits null) or less: debt is paid from the rest first, what is left returns to its lots.
-- status: ok, replay, conflict, settled (ended in another way), expired, above_hold, unknown
CREATE OR REPLACE FUNCTION credits_capture_hold(
  p_account uuid, p_number bigint, p_credits numeric, p_key text, p_now timestamptz, OUT status text, OUT hold credits_hold, OUT entry credits_entry
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
  v_content text := concat_ws('|', p_number, trim_scale(p_credits));
  v_spent numeric;
  v_rest numeric;
  v_repaid numeric;
BEGIN
  SELECT * INTO hold FROM credits_hold h WHERE h.account_id = p_account AND h.number = p_number;
  v_spent := coalesce(p_credits, hold.credits);
  IF p_key IS NOT NULL THEN
    status := (credits_recall(p_account, 'capture', p_key, v_content)).status;
  END IF;
  status := coalesce(status, CASE
    WHEN hold.number IS NULL THEN 'unknown'
    WHEN hold.status = 'captured' AND hold.captured = v_spent THEN 'replay'
    WHEN hold.status = 'expired' THEN 'expired'
    WHEN hold.status <> 'open' THEN 'settled'
    WHEN v_spent > hold.credits THEN 'above_hold'
    ELSE 'ok'
  END);
  IF status = 'replay' THEN
    SELECT * INTO entry FROM credits_entry e WHERE e.account_id = p_account AND e.number = hold.capture_entry;
  END IF;
  IF status <> 'ok' THEN
    RETURN;
  END IF;

  v_rest := hold.credits - v_spent;
  v_repaid := least(a.debt, v_rest);
  entry := credits_write_entry(p_account, p_now, 'usage', p_available => v_rest - v_repaid, p_held => -hold.credits, p_debt => -v_repaid,
    p_used => v_spent, p_hold => p_number, p_reference_type => hold.operation, p_reference_id => hold.reference_id, p_model => hold.model_id,
    p_description => upper(left(hold.operation, 1)) || replace(substr(hold.operation, 2), '_', ' '));
  UPDATE credits_hold h SET status = 'captured', captured = v_spent, repaid = v_repaid, capture_entry = entry.number
   WHERE h.account_id = p_account AND h.number = p_number
  RETURNING * INTO hold;
  PERFORM credits_record_usage(p_account, entry.created_at, hold.operation, hold.model_id, v_spent);
  IF p_key IS NOT NULL THEN
    PERFORM credits_remember(p_account, 'capture', p_key, v_content, p_now, entry.number);
  END IF;
  IF v_rest > 0 THEN
    PERFORM credits_return_credits(p_account, hold.lot_numbers, hold.lot_credits, hold.credits, v_rest - v_repaid, p_now);
    PERFORM credits_settle_due(p_account, p_now);
  END IF;
END $$;
