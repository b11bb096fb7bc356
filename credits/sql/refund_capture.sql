-- Give back what a capture spent, all (p_credits null) or less, once, to the lots of its receipt. Debt is paid first.
-- status: ok, replay, conflict, refunded (before, another amount), not_captured, above_captured, unknown
CREATE OR REPLACE FUNCTION credits_refund_capture(
  p_account uuid, p_number bigint, p_credits numeric, p_description text, p_key text, p_now timestamptz,
  OUT status text, OUT hold credits_hold, OUT entry credits_entry
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
  v_content text := concat_ws('|', p_number, trim_scale(p_credits));
  v_known text := (credits_recall(p_account, 'refund', p_key, v_content)).status;
  v_back numeric;
  v_repaid numeric;
  v_captured_at timestamptz;
BEGIN
  SELECT * INTO hold FROM credits_hold h WHERE h.account_id = p_account AND h.number = p_number;
  v_back := coalesce(p_credits, hold.captured);
  status := coalesce(v_known, CASE
    WHEN hold.number IS NULL THEN 'unknown'
    WHEN hold.status <> 'captured' THEN 'not_captured'
    WHEN hold.refunded = v_back THEN 'replay'
    WHEN hold.refunded > 0 THEN 'refunded'
    WHEN v_back > hold.captured THEN 'above_captured'
    ELSE 'ok'
  END);
  IF status = 'replay' THEN
    SELECT * INTO entry FROM credits_entry e WHERE e.account_id = p_account AND e.number = hold.refund_entry;
    IF v_known = 'replay' AND entry.description <> p_description THEN
      status := 'conflict';  -- the reason was asked for, too, and the entry is where it is kept
    END IF;
  END IF;
  IF status <> 'ok' THEN
    RETURN;
  END IF;

  v_repaid := least(a.debt, v_back);
  SELECT e.created_at INTO v_captured_at FROM credits_entry e WHERE e.account_id = p_account AND e.number = hold.capture_entry;
  entry := credits_write_entry(p_account, p_now, 'refund', p_available => v_back - v_repaid, p_debt => -v_repaid,
    p_used => CASE WHEN v_captured_at >= a.period_start_at THEN -v_back ELSE 0 END, p_hold => p_number,
    p_reference_type => hold.operation, p_reference_id => hold.reference_id, p_model => hold.model_id, p_description => p_description);
  -- What is still out of the lots: what was captured, and what paid off debt when the rest came back.
  PERFORM credits_return_credits(p_account, hold.lot_numbers, hold.lot_credits, hold.captured + hold.repaid, v_back - v_repaid, p_now);
  UPDATE credits_hold h SET refunded = v_back, refund_entry = entry.number, repaid = h.repaid + v_repaid, refund_repaid = v_repaid
   WHERE h.account_id = p_account AND h.number = p_number
  RETURNING * INTO hold;
  UPDATE credits_usageday u SET credits = u.credits - v_back
   WHERE u.account_id = p_account AND u.day_date = (v_captured_at AT TIME ZONE 'UTC')::date
     AND u.operation = hold.operation AND u.model_id = hold.model_id;
  PERFORM credits_remember(p_account, 'refund', p_key, v_content, p_now, entry.number);
  PERFORM credits_settle_due(p_account, p_now);
END $$;
