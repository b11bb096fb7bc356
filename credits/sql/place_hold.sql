-- Reserve credits for a job: lock, check and debit in one statement; then the key; then the lots, in burn order; then the hold.
-- p_plans are the plans that allow the operation, p_high_plans those whose jobs go first: decided before the lock is taken.
-- status: ok, replay, conflict, frozen, not_in_plan, insufficient, no_account
CREATE OR REPLACE FUNCTION credits_place_hold(
  p_account uuid, p_credits numeric, p_operation text, p_model text, p_parameters jsonb, p_reference text, p_key text, p_fingerprint uuid,
  p_plans text[], p_high_plans text[], p_expires timestamptz, p_now timestamptz,
  OUT status text, OUT number bigint, OUT credits numeric, OUT high_priority boolean, OUT expires_at timestamptz, OUT available numeric
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_held boolean;
  v_head bigint;
  v_plan text;
  v_lots bigint[];
  v_lot_credits numeric[];
  a credits_account;
  h credits_hold;
BEGIN
  FOR v_attempt IN 1..2 LOOP
    UPDATE credits_account x
       SET available = x.available - p_credits, held = x.held + p_credits, hold_count = x.hold_count + 1,
           next_due_at = least(x.next_due_at, p_expires)
     WHERE x.account_id = p_account AND x.available >= p_credits AND x.next_due_at > p_now
       AND x.frozen_causes = '{}' AND x.plan = ANY (p_plans)
    RETURNING x.hold_count, x.available, x.head_grant, x.plan INTO number, available, v_head, v_plan;
    v_held := FOUND;
    IF NOT v_held THEN
      a := credits_lock_account(p_account, p_now);  -- opens the account, lets end what is due
    END IF;

    -- The key comes before every refusal: what was done under it is answered again, whatever is true by now.
    SELECT * INTO h FROM credits_hold x WHERE x.account_id = p_account AND x.idempotency_key = p_key;
    IF FOUND THEN
      IF v_held THEN
        UPDATE credits_account x SET available = x.available + p_credits, held = x.held - p_credits, hold_count = x.hold_count - 1
         WHERE x.account_id = p_account;
      END IF;
      status := CASE WHEN h.fingerprint = p_fingerprint THEN 'replay' ELSE 'conflict' END;
      number := h.number; credits := h.credits; high_priority := h.high_priority; expires_at := coalesce(h.first_expires_at, h.expires_at);
      available := h.available_after;
      RETURN;
    END IF;
    EXIT WHEN v_held;

    status := CASE
      WHEN a.account_id IS NULL THEN 'no_account'
      WHEN a.frozen_causes <> '{}' THEN 'frozen'
      WHEN a.plan <> ALL (p_plans) THEN 'not_in_plan'
      WHEN a.available < p_credits THEN 'insufficient'
    END;
    number := NULL; credits := p_credits; available := a.available;
    IF status IS NOT NULL THEN
      RETURN;
    END IF;  -- what was due made room: once more, under the lock that we have now
  END LOOP;
  IF NOT v_held THEN
    RAISE EXCEPTION 'ledger: account % refuses a hold for no reason', p_account;  -- and never tries for ever
  END IF;

  UPDATE credits_grant g SET remaining = g.remaining - p_credits
   WHERE g.account_id = p_account AND g.number = v_head AND g.remaining > p_credits;
  IF FOUND THEN
    v_lots := ARRAY[v_head];
    v_lot_credits := ARRAY[p_credits];
  ELSE
    SELECT b.lots, b.lot_credits INTO v_lots, v_lot_credits FROM credits_burn(p_account, p_credits) b;
  END IF;

  high_priority := v_plan = ANY (p_high_plans);
  credits := p_credits;
  expires_at := p_expires;
  status := 'ok';
  INSERT INTO credits_hold (account_id, number, operation, model_id, parameters, credits, captured, refunded, repaid, status,
    high_priority, lot_numbers, lot_credits, reference_id, idempotency_key, fingerprint, available_after, created_at, expires_at)
  VALUES (p_account, number, p_operation, p_model, p_parameters, p_credits, 0, 0, 0, 'open',
    high_priority, v_lots, v_lot_credits, p_reference, p_key, p_fingerprint, available, p_now, p_expires);
END $$;
