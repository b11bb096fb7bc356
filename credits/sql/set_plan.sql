-- Write the plan state. When the plan comes from somewhere else than before, every subscription lot of what it came from ends now.
-- p_paid_from begins what is paid for after a gap; null: there was none. Free's months are counted from where the account began, and go
-- on as they are while it stays on Free, whatever p_anchor says.
-- status: ok, no_account
CREATE OR REPLACE FUNCTION credits_set_plan(
  p_account uuid, p_plan text, p_anchor timestamptz, p_paid_from timestamptz, p_paid_until timestamptz, p_source text, p_now timestamptz
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
  v_anchor timestamptz := CASE WHEN p_source <> 'free' THEN p_anchor WHEN a.plan_source = 'free' THEN a.anchor_at ELSE a.opened_at END;
  v_at timestamptz := greatest(p_now, a.last_entry_at);  -- what was used since belongs to the period that has begun meanwhile
  v_start timestamptz := credits_period_start(v_anchor, v_at);
  v_end timestamptz := credits_period_start(v_anchor, v_at, 1);
BEGIN
  IF a.account_id IS NULL THEN
    RETURN 'no_account';
  END IF;
  IF a.plan_source <> p_source AND a.plan_source <> 'free' THEN
    PERFORM credits_end_lots(p_account, 'allowance:' || a.plan_source || ':', p_now, NULL, p_now);
    PERFORM credits_end_lots(p_account, 'upgrade:', p_now, NULL, p_now);
  END IF;
  UPDATE credits_account x
     SET plan = p_plan, plan_source = p_source, anchor_at = v_anchor, paid_until = p_paid_until,
         allowance_until = CASE WHEN x.plan_source = p_source THEN x.allowance_until END,
         paid_from = CASE
           WHEN p_paid_until IS NULL THEN NULL
           WHEN x.plan_source <> p_source OR x.paid_from IS NULL THEN coalesce(p_paid_from, p_anchor)
           WHEN p_paid_from > x.paid_until THEN p_paid_from
           ELSE least(x.paid_from, p_paid_from)
         END
   WHERE x.account_id = p_account;
  IF (v_start, v_end) <> (a.period_start_at, a.period_end_at) THEN  -- 28 February to 31 March, or to 28 March
    UPDATE credits_account x
       SET period_start_at = v_start, period_end_at = v_end, period_used = credits_used_since(p_account, v_start),
           next_due_at = least(x.next_due_at, v_end)
     WHERE x.account_id = p_account;
  END IF;
  RETURN 'ok';
END $$;
