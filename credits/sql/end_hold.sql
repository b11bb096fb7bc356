-- End an open hold with nothing spent, at p_at: released or expired. Debt is paid first, the rest returns to its lots. No entry:
-- the balance stays what it was.
CREATE OR REPLACE FUNCTION credits_end_hold(h credits_hold, p_status text, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_repaid numeric := (SELECT least(a.debt, h.credits) FROM credits_account a WHERE a.account_id = h.account_id);
BEGIN
  UPDATE credits_account a
     SET available = a.available + h.credits - v_repaid, held = a.held - h.credits, debt = a.debt - v_repaid
   WHERE a.account_id = h.account_id;
  UPDATE credits_hold x SET status = p_status, repaid = v_repaid, ended_at = p_at WHERE x.account_id = h.account_id AND x.number = h.number;
  PERFORM credits_return_credits(h.account_id, h.lot_numbers, h.lot_credits, h.credits, h.credits - v_repaid, p_at);
END $$;
