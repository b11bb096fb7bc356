-- The newest entry written before p_before (exclusive); with p_type, the newest of that type, by its type_number. 0: none.
-- Entries in order of number are in order of time, so a moment is found by halving: 20 look-ups among a million entries.
CREATE OR REPLACE FUNCTION credits_find_entry(p_account uuid, p_before timestamptz, p_type text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_low bigint := 0;   -- known to be before
  v_high bigint;       -- known not to be before
  v_middle bigint;
  v_before boolean;
BEGIN
  IF p_type IS NULL THEN
    SELECT a.entry_count + 1 INTO v_high FROM credits_account a WHERE a.account_id = p_account;
  ELSE
    SELECT t.entries + 1 INTO v_high FROM credits_entrytotal t WHERE t.account_id = p_account AND t.entry_type = p_type;
  END IF;
  WHILE v_high - v_low > 1 LOOP
    v_middle := (v_low + v_high) / 2;
    IF p_type IS NULL THEN
      SELECT e.created_at < p_before INTO v_before FROM credits_entry e WHERE e.account_id = p_account AND e.number = v_middle;
    ELSE
      SELECT e.created_at < p_before INTO v_before FROM credits_entry e
       WHERE e.account_id = p_account AND e.entry_type = p_type AND e.type_number = v_middle;
    END IF;
    IF v_before THEN v_low := v_middle; ELSE v_high := v_middle; END IF;
  END LOOP;
  RETURN v_low;
END $$;
