-- Take credits from the open lots in burn order; lots and lot_credits are the receipt. The caller has seen that enough is there.
CREATE OR REPLACE FUNCTION credits_burn(p_account uuid, p_credits numeric, OUT lots bigint[], OUT lot_credits numeric[]) LANGUAGE plpgsql AS $$
DECLARE
  v_left numeric := p_credits;
  v_take numeric;
  g record;
BEGIN
  lots := '{}';
  lot_credits := '{}';
  FOR g IN SELECT x.number, x.remaining FROM credits_grant x WHERE x.account_id = p_account AND x.is_open
            ORDER BY x.priority, x.expires_at, x.is_paid, x.effective_at, x.number LOOP
    EXIT WHEN v_left = 0;
    v_take := least(g.remaining, v_left);
    UPDATE credits_grant x SET remaining = x.remaining - v_take, is_open = x.remaining > v_take
     WHERE x.account_id = p_account AND x.number = g.number;
    lots := lots || g.number;
    lot_credits := lot_credits || v_take;
    v_left := v_left - v_take;
  END LOOP;
  IF v_left > 0 THEN
    RAISE EXCEPTION 'ledger: the lots of account % are short by %', p_account, v_left;
  END IF;
  PERFORM credits_refresh_head(p_account);
END $$;
