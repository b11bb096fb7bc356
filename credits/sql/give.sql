-- Make a lot, numbered by the entry that gives it. Debt is paid first. The account is locked by the caller. p_paid is what was paid for
-- it, in the minor unit of p_currency: the ledger carries it for its report, and reads nothing into it.
CREATE OR REPLACE FUNCTION credits_give(
  p_account uuid, p_kind text, p_source text, p_credits numeric, p_priority int, p_expires timestamptz, p_now timestamptz,
  p_entry_type text, p_reference_type text, p_reference_id text, p_description text, p_paid bigint DEFAULT NULL, p_currency text DEFAULT ''
) RETURNS credits_grant LANGUAGE plpgsql AS $$
DECLARE
  v_repaid numeric := (SELECT least(a.debt, p_credits) FROM credits_account a WHERE a.account_id = p_account);
  e credits_entry;
  g credits_grant;
BEGIN
  e := credits_write_entry(p_account, p_now, p_entry_type, p_available => p_credits - v_repaid, p_debt => -v_repaid,
    p_reference_type => p_reference_type, p_reference_id => p_reference_id, p_description => p_description);
  INSERT INTO credits_grant (account_id, number, kind, source, credits, remaining, repaid, expired, clawed_back, priority,
    is_paid, is_open, effective_at, expires_at, paid_cents, currency)
  VALUES (p_account, e.number, p_kind, p_source, p_credits, p_credits - v_repaid, v_repaid, 0, 0, p_priority,
    p_kind = 'purchase', p_credits > v_repaid, e.created_at, p_expires, p_paid, p_currency)
  RETURNING * INTO g;
  UPDATE credits_account a SET next_due_at = p_expires WHERE a.account_id = p_account AND a.next_due_at > p_expires;
  PERFORM credits_refresh_head(p_account);
  PERFORM credits_settle_due(p_account, p_now);
  RETURN g;
END $$;
