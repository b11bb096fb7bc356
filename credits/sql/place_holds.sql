-- Up to a batch of holds of one account, in order, each with its own outcome: one round trip, one commit.
CREATE OR REPLACE FUNCTION credits_place_holds(
  p_account uuid, p_items jsonb, p_high_plans text[], p_now timestamptz
) RETURNS TABLE (status text, number bigint, credits numeric, high_priority boolean, expires_at timestamptz, available numeric)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  i record;
BEGIN
  FOR i IN SELECT x.* FROM ROWS FROM (jsonb_to_recordset(p_items) AS (
              credits numeric, operation text, model text, parameters jsonb, reference text, key text, fingerprint uuid, plans text[],
              expires timestamptz)) WITH ORDINALITY AS x ORDER BY x.ordinality LOOP
    RETURN QUERY SELECT * FROM credits_place_hold(p_account, i.credits, i.operation, i.model, nullif(i.parameters, 'null'), i.reference,
      i.key, i.fingerprint, i.plans, p_high_plans, i.expires, p_now);
  END LOOP;
END $$;
