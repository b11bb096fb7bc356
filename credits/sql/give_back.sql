-- Undo a clawback, or a part of it, after a refund that failed or a dispute that was won: a new lot like the one that it was taken
-- for (one that has ended gives its length again), with a positive entry of type clawback and the share of the money. It says which
-- grant it returns, for it is that grant's own from now on. Once per source; never more than was taken.
-- status: ok, replay, nothing, unknown_grant, no_account
CREATE OR REPLACE FUNCTION credits_give_back(
  p_account uuid, p_kind text, p_source text, p_credits numeric, p_new_source text, p_now timestamptz,
  p_reference_type text, p_reference_id text, p_description text, OUT status text, OUT lot credits_grant
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
  v_back numeric;
  v_paid bigint;
  v_end timestamptz;  -- its own, not one to which credits that came back prolonged it
  g credits_grant;
BEGIN
  SELECT * INTO lot FROM credits_grant x WHERE x.account_id = p_account AND x.kind = p_kind AND x.source = p_new_source;
  IF FOUND THEN
    status := 'replay';
    RETURN;
  END IF;
  SELECT * INTO g FROM credits_grant x WHERE x.account_id = p_account AND x.kind = p_kind AND x.source = p_source;
  v_back := least(p_credits, g.clawed_back);
  status := CASE WHEN a.account_id IS NULL THEN 'no_account' WHEN g.number IS NULL THEN 'unknown_grant' WHEN v_back = 0 THEN 'nothing' ELSE 'ok' END;
  IF status <> 'ok' THEN
    RETURN;
  END IF;
  UPDATE credits_grant x SET clawed_back = x.clawed_back - v_back WHERE x.account_id = p_account AND x.number = g.number;
  v_paid := round(g.paid_cents * g.clawed_back / g.credits) - round(g.paid_cents * (g.clawed_back - v_back) / g.credits);
  v_end := coalesce(g.own_end_at, g.expires_at);
  lot := credits_give(p_account, p_kind, p_new_source, v_back, g.priority,
    CASE WHEN v_end <= p_now THEN p_now + (v_end - g.effective_at) ELSE v_end END, p_now, 'clawback',
    p_reference_type, p_reference_id, p_description, v_paid, g.currency);
  UPDATE credits_grant x SET returns_grant = g.number WHERE x.account_id = p_account AND x.number = lot.number
  RETURNING * INTO lot;
END $$;
