-- Take the account's lock, the first step of every operation, and let end what is due. Opens the account on first use; the answer
-- is null only when there is no such user.
CREATE OR REPLACE FUNCTION credits_lock_account(p_account uuid, p_now timestamptz) RETURNS credits_account LANGUAGE plpgsql AS $$
DECLARE
  a credits_account;
BEGIN
  SELECT * INTO a FROM credits_account x WHERE x.account_id = p_account FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM credits_open_account(p_account, p_now);
    SELECT * INTO a FROM credits_account x WHERE x.account_id = p_account FOR NO KEY UPDATE;
  END IF;
  IF a.next_due_at <= p_now THEN
    PERFORM credits_settle_due(p_account, p_now);
    SELECT * INTO a FROM credits_account x WHERE x.account_id = p_account;
  END IF;
  RETURN a;
END $$;
