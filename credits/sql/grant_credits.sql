-- Give a lot of credits, once per account, kind and source.
-- status: ok, replay (given before), conflict (the source gave another number of credits), no_account
CREATE OR REPLACE FUNCTION credits_grant_credits(
  p_account uuid, p_kind text, p_source text, p_credits numeric, p_priority int, p_expires timestamptz, p_now timestamptz,
  p_reference_type text, p_reference_id text, p_description text, p_paid bigint DEFAULT NULL, p_currency text DEFAULT '', OUT status text, OUT lot credits_grant
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
BEGIN
  IF a.account_id IS NULL THEN
    status := 'no_account';
    RETURN;
  END IF;
  SELECT * INTO lot FROM credits_grant g WHERE g.account_id = p_account AND g.kind = p_kind AND g.source = p_source;
  IF FOUND THEN
    status := CASE WHEN lot.credits = p_credits THEN 'replay' ELSE 'conflict' END;
    RETURN;
  END IF;
  lot := credits_give(p_account, p_kind, p_source, p_credits, p_priority, p_expires, p_now, p_kind,
    p_reference_type, p_reference_id, p_description, p_paid, p_currency);
  status := 'ok';
END $$;
