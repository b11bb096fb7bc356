-- Put credits back into the lots of a receipt, last taken first. p_consumed is how much of the receipt is still out of its lots.
-- A lot that ended meanwhile takes them back once: it lives until 24 h after the return, and never more than 48 h past its own
-- end. What comes back later than that ends at once: the lot's end moves to the return, so that the past, in which these credits were
-- held, stays what it was, and the caller settles what is due.
CREATE OR REPLACE FUNCTION credits_return_credits(
  p_account uuid, p_lots bigint[], p_lot_credits numeric[], p_consumed numeric, p_back numeric, p_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_skip numeric := (SELECT sum(c) FROM unnest(p_lot_credits) c) - p_consumed;
  v_left numeric := p_back;
  v_there numeric;
  v_step numeric;
  v_end timestamptz;
  v_due timestamptz;
BEGIN
  FOR i IN REVERSE cardinality(p_lots)..1 LOOP
    EXIT WHEN v_left = 0;
    v_step := least(v_skip, p_lot_credits[i]);
    v_skip := v_skip - v_step;
    v_there := least(v_left, p_lot_credits[i] - v_step);
    CONTINUE WHEN v_there = 0;
    v_left := v_left - v_there;
    UPDATE credits_grant g
       SET remaining = g.remaining + v_there, is_open = true,
           own_end_at = CASE WHEN r.is_over THEN coalesce(g.own_end_at, g.expires_at) ELSE g.own_end_at END,
           expires_at = CASE WHEN r.revives THEN least(p_at + interval '24 hours', g.expires_at + interval '48 hours')
                             WHEN r.is_over THEN p_at ELSE g.expires_at END
      FROM (SELECT x.number, coalesce(x.expires_at <= p_at, false) AS is_over,
                   coalesce(x.own_end_at IS NULL AND x.expires_at <= p_at AND x.expires_at + interval '48 hours' > p_at, false) AS revives
              FROM credits_grant x WHERE x.account_id = p_account AND x.number = p_lots[i]) r
     WHERE g.account_id = p_account AND g.number = r.number
    RETURNING g.expires_at INTO v_end;
    v_due := least(v_due, v_end);
  END LOOP;
  IF v_left > 0 THEN
    RAISE EXCEPTION 'ledger: a receipt of account % is short by %', p_account, v_left;
  END IF;
  UPDATE credits_account a SET next_due_at = v_due WHERE a.account_id = p_account AND a.next_due_at > v_due;
  PERFORM credits_refresh_head(p_account);
END $$;
