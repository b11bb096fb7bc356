-- Give the allowance of one period, once. A paid plan's (p_address_hash null) ends the lots of the periods before: p_prefix, those that
-- would end by p_latest. Free's is given to one account per address at a time; another account may have it only when the one before has
-- let two days pass without taking its own. A month of a plan that is over leaves alone when the present plan's next one is due.
-- status: ok, replay, conflict, taken (the address has its allowance elsewhere), no_account
CREATE OR REPLACE FUNCTION credits_give_allowance(
  p_account uuid, p_source text, p_credits numeric, p_priority int, p_expires timestamptz, p_period_end timestamptz,
  p_prefix text, p_latest timestamptz, p_address_hash text, p_description text, p_now timestamptz, OUT status text, OUT lot credits_grant
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a credits_account := credits_lock_account(p_account, p_now);
BEGIN
  SELECT * INTO lot FROM credits_grant g WHERE g.account_id = p_account AND g.kind = 'subscription' AND g.source = p_source;
  status := CASE WHEN a.account_id IS NULL THEN 'no_account' WHEN lot.number IS NOT NULL THEN 'replay' END;
  IF status IS NULL AND p_address_hash IS NOT NULL THEN
    INSERT INTO credits_freeallowanceaddress AS f (address_hash, account_id, given_until) VALUES (p_address_hash, p_account, p_period_end)
    ON CONFLICT (address_hash) DO UPDATE SET account_id = p_account, given_until = p_period_end
     WHERE f.account_id = p_account AND f.given_until <= p_now OR f.given_until <= p_now - interval '2 days';
    status := CASE WHEN NOT FOUND THEN 'taken' END;
  ELSIF status IS NULL THEN
    PERFORM credits_end_lots(p_account, p_prefix, p_now, p_latest, p_now);
  END IF;
  IF status IS NULL THEN
    lot := credits_give(p_account, 'subscription', p_source, p_credits, p_priority, p_expires, p_now, 'subscription',
      'allowance', p_source, p_description);
    status := 'ok';
  END IF;
  IF status IN ('ok', 'replay') THEN
    UPDATE credits_account x SET allowance_until = p_period_end
     WHERE x.account_id = p_account AND (x.allowance_until IS NULL OR x.allowance_until < p_period_end)
       AND starts_with(p_source, 'allowance:' || x.plan_source || ':');
  END IF;
END $$;
