-- Let everything end that is due by p_now, in order of time and each at its own time, so that it does not matter how late this
-- runs: lots expire (an entry each), holds are released, a new allowance period begins. The account is locked by the caller.
CREATE OR REPLACE FUNCTION credits_settle_due(p_account uuid, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  g credits_grant;
  h credits_hold;
  v_due timestamptz;
BEGIN
  IF (SELECT a.next_due_at > p_now FROM credits_account a WHERE a.account_id = p_account) THEN
    RETURN;
  END IF;
  LOOP
    SELECT * INTO g FROM credits_grant x WHERE x.account_id = p_account AND x.is_open AND x.expires_at <= p_now
     ORDER BY x.expires_at, x.number LIMIT 1;
    SELECT * INTO h FROM credits_hold x WHERE x.account_id = p_account AND x.status = 'open' AND x.expires_at <= p_now
     ORDER BY x.expires_at, x.number LIMIT 1;
    EXIT WHEN g.number IS NULL AND h.number IS NULL;
    IF h.number IS NULL OR g.expires_at <= h.expires_at THEN
      UPDATE credits_grant x SET remaining = 0, is_open = false, expired = x.expired + x.remaining
       WHERE x.account_id = p_account AND x.number = g.number;
      PERFORM credits_write_entry(p_account, g.expires_at, 'expiry', p_available => -g.remaining,
        p_lots => ARRAY[g.number], p_lot_credits => ARRAY[g.remaining],
        p_reference_type => g.kind, p_reference_id => g.source, p_description => 'Unused credits expired');
    ELSE
      PERFORM credits_end_hold(h, 'expired', h.expires_at);
    END IF;
  END LOOP;

  UPDATE credits_account a
     SET period_used = 0, period_start_at = credits_period_start(a.anchor_at, p_now), period_end_at = credits_period_start(a.anchor_at, p_now, 1)
   WHERE a.account_id = p_account AND a.period_end_at <= p_now;
  UPDATE credits_account a SET next_due_at = least(
      a.period_end_at,
      (SELECT min(x.expires_at) FROM credits_grant x WHERE x.account_id = p_account AND x.is_open),
      (SELECT min(x.expires_at) FROM credits_hold x WHERE x.account_id = p_account AND x.status = 'open'))
   WHERE a.account_id = p_account
  RETURNING a.next_due_at INTO v_due;
  IF v_due <= p_now THEN
    RAISE EXCEPTION 'ledger: something of account % that was due at % has not ended', p_account, v_due;
  END IF;
  PERFORM credits_refresh_head(p_account);
END $$;
