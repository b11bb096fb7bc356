-- Take credits back: from the grant's own lots (it, and what gave back of it), then from the other lots in burn order; what is not
-- there is debt. Never more in all than the grant gave, and not what of it expired unspent.
-- status: ok, replay, conflict, nothing (all of it was taken back or expired before), unknown_grant, no_account
CREATE OR REPLACE FUNCTION credits_claw_back(
  p_account uuid, p_kind text, p_source text, p_credits numeric, p_key text, p_now timestamptz,
  p_reference_type text, p_reference_id text, p_description text, OUT status text, OUT entry credits_entry
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
  v_content text := concat_ws('|', p_kind, p_source, trim_scale(p_credits));
  v_owed numeric;
  v_own numeric := 0;
  v_take numeric;
  v_others numeric;
  v_lots bigint[] := '{}';
  v_lot_credits numeric[] := '{}';
  b record;
  r record;
  g credits_grant;
  own record;
BEGIN
  r := credits_recall(p_account, 'claw_back', p_key, v_content);
  SELECT * INTO g FROM credits_grant x WHERE x.account_id = p_account AND x.kind = p_kind AND x.source = p_source FOR UPDATE;
  status := coalesce(r.status, CASE WHEN a.account_id IS NULL THEN 'no_account' WHEN g.number IS NULL THEN 'unknown_grant' ELSE 'ok' END);
  IF status = 'replay' THEN
    SELECT * INTO entry FROM credits_entry e WHERE e.account_id = p_account AND e.number = r.entry_number;
  END IF;
  IF status <> 'ok' THEN
    RETURN;
  END IF;

  v_owed := g.credits - g.clawed_back - (
    SELECT sum(x.expired) FROM credits_grant x WHERE x.account_id = p_account AND (x.number = g.number OR x.returns_grant = g.number));
  v_owed := greatest(least(p_credits, v_owed), 0);
  IF v_owed = 0 THEN
    status := 'nothing';
    PERFORM credits_remember(p_account, 'claw_back', p_key, v_content, p_now);
    RETURN;
  END IF;
  UPDATE credits_grant x SET clawed_back = x.clawed_back + v_owed WHERE x.account_id = p_account AND x.number = g.number;
  FOR own IN SELECT x.number, x.remaining FROM credits_grant x
              WHERE x.account_id = p_account AND x.is_open AND (x.number = g.number OR x.returns_grant = g.number)
              ORDER BY x.priority, x.expires_at, x.is_paid, x.effective_at, x.number LOOP
    EXIT WHEN v_own = v_owed;
    v_take := least(own.remaining, v_owed - v_own);
    UPDATE credits_grant x SET remaining = x.remaining - v_take, is_open = x.remaining > v_take
     WHERE x.account_id = p_account AND x.number = own.number;
    v_lots := v_lots || own.number;
    v_lot_credits := v_lot_credits || v_take;
    v_own := v_own + v_take;
  END LOOP;
  v_others := least(v_owed - v_own, a.available - v_own);
  IF v_others > 0 THEN
    b := credits_burn(p_account, v_others);
    v_lots := v_lots || b.lots;
    v_lot_credits := v_lot_credits || b.lot_credits;
  END IF;
  entry := credits_write_entry(p_account, p_now, 'clawback', p_available => -v_own - v_others, p_debt => v_owed - v_own - v_others,
    p_lots => v_lots, p_lot_credits => v_lot_credits,
    p_reference_type => p_reference_type, p_reference_id => p_reference_id, p_description => p_description);
  PERFORM credits_remember(p_account, 'claw_back', p_key, v_content, p_now, entry.number);
  PERFORM credits_refresh_head(p_account);
END $$;
