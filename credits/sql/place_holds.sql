-- Up to a batch of holds of one account, in order, each with its own outcome: one round trip, one commit.
CREATE OR REPLACE FUNCTION credits_place_holds(
  p_account uuid, p_items jsonb, p_high_plans text[], p_now timestamptz
) RETURNS TABLE (status text, number bigint, credits numeric, high_priority boolean, expires_at timestamptz, available numeric)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  a credits_account;
  v_credits numeric;
  v_keys text[];
  v_new_keys bigint;
  v_allowed boolean;
  v_first_expiry timestamptz;
  i record;
BEGIN
  a := credits_lock_account(p_account, p_now);
  SELECT sum(x.credits), array_agg(x.key), count(DISTINCT x.key), bool_and(a.plan = ANY (x.plans)), min(x.expires)
    INTO v_credits, v_keys, v_new_keys, v_allowed, v_first_expiry
    FROM jsonb_to_recordset(p_items) AS x (credits numeric, key text, plans text[], expires timestamptz);

  -- Where each would be placed, and from the lot that burns first: the rows that one after the other would leave, at once.
  IF a.frozen_causes = '{}' AND v_allowed AND a.available >= v_credits AND v_new_keys = cardinality(v_keys)
     AND NOT EXISTS (SELECT FROM credits_hold h WHERE h.account_id = p_account AND h.idempotency_key = ANY (v_keys)) THEN
    UPDATE credits_grant g SET remaining = g.remaining - v_credits
     WHERE g.account_id = p_account AND g.number = a.head_grant AND g.remaining > v_credits;
    IF FOUND THEN
      UPDATE credits_account x
         SET available = x.available - v_credits, held = x.held + v_credits, hold_count = x.hold_count + v_new_keys,
             next_due_at = least(x.next_due_at, v_first_expiry)
       WHERE x.account_id = p_account;
      RETURN QUERY
      WITH placed AS (
        INSERT INTO credits_hold (account_id, number, operation, model_id, parameters, credits, captured, refunded, repaid, status,
          high_priority, lot_numbers, lot_credits, reference_id, idempotency_key, fingerprint, available_after, created_at, expires_at)
        SELECT p_account, a.hold_count + x.ordinality, x.operation, x.model, nullif(x.parameters, 'null'), x.credits, 0, 0, 0, 'open',
          a.plan = ANY (p_high_plans), ARRAY[a.head_grant], ARRAY[x.credits], x.reference, x.key, x.fingerprint,
          a.available - sum(x.credits) OVER (ORDER BY x.ordinality), p_now, x.expires
          FROM ROWS FROM (jsonb_to_recordset(p_items) AS (
                 credits numeric, operation text, model text, parameters jsonb, reference text, key text, fingerprint uuid, plans text[],
                 expires timestamptz)) WITH ORDINALITY AS x
        RETURNING *)
      SELECT 'ok', h.number, h.credits, h.high_priority, h.expires_at, h.available_after FROM placed h ORDER BY h.number;
      RETURN;
    END IF;
  END IF;

  FOR i IN SELECT x.* FROM ROWS FROM (jsonb_to_recordset(p_items) AS (
              credits numeric, operation text, model text, parameters jsonb, reference text, key text, fingerprint uuid, plans text[],
              expires timestamptz)) WITH ORDINALITY AS x ORDER BY x.ordinality LOOP
    RETURN QUERY SELECT * FROM credits_place_hold(p_account, i.credits, i.operation, i.model, nullif(i.parameters, 'null'), i.reference,
      i.key, i.fingerprint, i.plans, p_high_plans, i.expires, p_now);
  END LOOP;
END $$;
