-- Let everything of an account end that is due: what the sweeper calls for accounts that nobody touches.
CREATE OR REPLACE FUNCTION credits_touch(p_account uuid, p_now timestamptz) RETURNS credits_account
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT credits_lock_account(p_account, p_now)
$$;
