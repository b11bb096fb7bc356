-- Point the account at the lot that burns first. The burn order: priority, the soonest to expire (nulls, never, come last),
-- given before paid, oldest, number.
CREATE OR REPLACE FUNCTION credits_refresh_head(p_account uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_head bigint;
BEGIN
  SELECT g.number INTO v_head FROM credits_grant g WHERE g.account_id = p_account AND g.is_open
   ORDER BY g.priority, g.expires_at, g.is_paid, g.effective_at, g.number LIMIT 1;
  UPDATE credits_account a SET head_grant = coalesce(v_head, 0) WHERE a.account_id = p_account AND a.head_grant <> coalesce(v_head, 0);
END $$;
