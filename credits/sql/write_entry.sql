-- Write the account's next entry and change its balances by the given deltas. The account is locked by the caller.
-- An entry's time never lies before the entry before it, nor before the period that counts it.
CREATE OR REPLACE FUNCTION credits_write_entry(
  p_account uuid, p_at timestamptz, p_type text,
  p_available numeric, p_held numeric DEFAULT 0, p_debt numeric DEFAULT 0, p_used numeric DEFAULT 0,
  p_hold bigint DEFAULT NULL, p_lots bigint[] DEFAULT NULL, p_lot_credits numeric[] DEFAULT NULL,
  p_reference_type text DEFAULT '', p_reference_id text DEFAULT '', p_model text DEFAULT '', p_description text DEFAULT ''
) RETURNS credits_entry LANGUAGE plpgsql AS $$
DECLARE
  v_delta numeric := p_available + p_held - p_debt;
  a record;
  t record;
  e credits_entry;
BEGIN
  UPDATE credits_account x
     SET available = x.available + p_available, held = x.held + p_held, debt = x.debt + p_debt,
         period_used = x.period_used + p_used, entry_count = x.entry_count + 1,
         last_entry_at = greatest(p_at, x.last_entry_at, x.period_start_at)
   WHERE x.account_id = p_account
  RETURNING x.entry_count, x.available + x.held - x.debt AS balance, x.last_entry_at INTO a;

  INSERT INTO credits_entrytotal AS x (account_id, entry_type, entries, credits) VALUES (p_account, p_type, 1, v_delta)
  ON CONFLICT (account_id, entry_type) DO UPDATE SET entries = x.entries + 1, credits = x.credits + excluded.credits
  RETURNING x.entries, x.credits INTO t;

  INSERT INTO credits_entry (account_id, number, entry_type, delta_credits, balance_after, type_number, type_credits_after,
    hold_number, lot_numbers, lot_credits, reference_type, reference_id, model_id, description, created_at)
  VALUES (p_account, a.entry_count, p_type, v_delta, a.balance, t.entries, t.credits,
    p_hold, p_lots, p_lot_credits, p_reference_type, p_reference_id, p_model, p_description, a.last_entry_at)
  RETURNING * INTO e;
  RETURN e;
END $$;
