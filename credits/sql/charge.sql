-- Hold and capture in one step: whole, or with p_partial what there is (status nothing when there is nothing).
-- status: ok, replay, conflict, insufficient, nothing, no_account
CREATE OR REPLACE FUNCTION credits_charge(
  p_account uuid, p_credits numeric, p_partial boolean, p_operation text, p_model text, p_description text,
  p_reference_type text, p_reference_id text, p_key text, p_now timestamptz, OUT status text, OUT available numeric, OUT entry credits_entry
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
  v_content text := concat_ws('|', p_operation, p_model, trim_scale(p_credits), p_partial);
  v_spent numeric := CASE WHEN p_partial THEN least(p_credits, a.available) ELSE p_credits END;
  v_hold bigint := a.hold_count + 1;
  b record;
  r record;
BEGIN
  available := a.available;
  r := credits_recall(p_account, 'charge', p_key, v_content);
  status := coalesce(r.status, CASE
    WHEN a.account_id IS NULL THEN 'no_account'
    WHEN v_spent = 0 THEN 'nothing'
    WHEN a.available < v_spent THEN 'insufficient'
    ELSE 'ok'
  END);
  IF status = 'replay' THEN
    SELECT * INTO entry FROM credits_entry e WHERE e.account_id = p_account AND e.number = r.entry_number;
  END IF;
  IF status <> 'ok' THEN
    RETURN;
  END IF;

  b := credits_burn(p_account, v_spent);
  UPDATE credits_account x SET hold_count = v_hold WHERE x.account_id = p_account;
  entry := credits_write_entry(p_account, p_now, 'usage', p_available => -v_spent, p_used => v_spent, p_hold => v_hold,
    p_reference_type => p_reference_type, p_reference_id => p_reference_id, p_model => p_model, p_description => p_description);
  available := a.available - v_spent;
  INSERT INTO credits_hold (account_id, number, operation, model_id, credits, captured, refunded, repaid, status, high_priority,
    lot_numbers, lot_credits, reference_id, available_after, capture_entry, created_at, expires_at)
  VALUES (p_account, v_hold, p_operation, p_model, v_spent, v_spent, 0, 0, 'captured', false,
    b.lots, b.lot_credits, p_reference_id, available, entry.number, p_now, p_now);
  PERFORM credits_record_usage(p_account, entry.created_at, p_operation, p_model, v_spent);
  PERFORM credits_remember(p_account, 'charge', p_key, v_content, p_now, entry.number);
END $$;
