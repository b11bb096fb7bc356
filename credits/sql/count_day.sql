-- Write what all accounts together did on a day (UTC), over what was written before; with p_standing, also what stands in them now.
CREATE OR REPLACE FUNCTION credits_count_day(p_day date, p_standing boolean, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_from timestamptz := p_day::timestamp AT TIME ZONE 'UTC';
  v_to timestamptz := (p_day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
  INSERT INTO credits_daytotal AS t (day_date, kind, name, count, credits, counted_at)
  SELECT p_day, 'entries', CASE
           WHEN e.entry_type IN ('adjustment', 'clawback') THEN e.entry_type || CASE WHEN e.delta_credits > 0 THEN '_given' ELSE '_taken' END
           ELSE e.entry_type
         END AS name, count(*), sum(e.delta_credits), p_now
    FROM credits_entry e WHERE e.created_at >= v_from AND e.created_at < v_to GROUP BY name
  UNION ALL
  SELECT p_day, 'usage', u.operation, sum(u.captures), sum(u.credits), p_now
    FROM credits_usageday u WHERE u.day_date = p_day GROUP BY u.operation
  ON CONFLICT (day_date, kind, name) DO UPDATE SET count = excluded.count, credits = excluded.credits, counted_at = excluded.counted_at;

  IF p_standing THEN
    INSERT INTO credits_daytotal AS t (day_date, kind, name, count, credits, counted_at)
    SELECT p_day, 'standing', s.name, s.accounts, s.credits, p_now FROM (
      SELECT count(*) AS accounts, coalesce(sum(available), 0) AS available, coalesce(sum(held), 0) AS held,
             count(*) FILTER (WHERE debt > 0) AS in_debt, coalesce(sum(debt), 0) AS debt FROM credits_account) a,
      LATERAL (VALUES ('available', a.accounts, a.available), ('held', a.accounts, a.held), ('debt', a.in_debt, a.debt)) s(name, accounts, credits)
    ON CONFLICT (day_date, kind, name) DO UPDATE SET count = excluded.count, credits = excluded.credits, counted_at = excluded.counted_at;
  END IF;
END $$;
