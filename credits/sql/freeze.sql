-- Add a cause to the set that freezes an account. No new holds while the set is not empty; open holds may be captured and released.
-- status: ok, replay (the cause was there), no_account
CREATE OR REPLACE FUNCTION credits_freeze(p_account uuid, p_cause text, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
BEGIN
  IF a.account_id IS NULL THEN
    RETURN 'no_account';
  END IF;
  UPDATE credits_account x SET frozen_causes = x.frozen_causes || p_cause::varchar
   WHERE x.account_id = p_account AND p_cause <> ALL (x.frozen_causes);
  RETURN CASE WHEN FOUND THEN 'ok' ELSE 'replay' END;
END $$;
