-- Open the account of a user on first use, on Free, with allowance periods counted from this moment.
CREATE OR REPLACE FUNCTION credits_open_account(p_account uuid, p_now timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO credits_account (account_id, available, held, debt, entry_count, hold_count, head_grant, next_due_at, last_entry_at,
    frozen_causes, plan, plan_source, anchor_at, period_start_at, period_end_at, period_used, opened_at)
  SELECT u.id, 0, 0, 0, 0, 0, 0, credits_period_start(p_now, p_now, 1), p_now,
    '{}', 'free', 'free', p_now, p_now, credits_period_start(p_now, p_now, 1), 0, p_now
    FROM users_user u WHERE u.id = p_account
  ON CONFLICT (account_id) DO NOTHING
$$;
