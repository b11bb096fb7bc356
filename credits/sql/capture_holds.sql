-- Up to a batch of captures of one account, in order, each with its own outcome: one round trip, one commit.
CREATE OR REPLACE FUNCTION credits_capture_holds(
  p_account uuid, p_numbers bigint[], p_credits numeric[], p_now timestamptz
) RETURNS TABLE (status text, hold credits_hold, entry credits_entry) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  FOR i IN 1..cardinality(p_numbers) LOOP
    RETURN QUERY SELECT * FROM credits_capture_hold(p_account, p_numbers[i], p_credits[i], NULL, p_now);
  END LOOP;
END $$;
