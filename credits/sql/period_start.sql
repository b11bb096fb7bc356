-- The start of the allowance period that contains p_at: p_anchor plus n calendar months in UTC. 31 January, 28 February, 31 March.
-- p_offset 1 gives the start of the period after it.
CREATE OR REPLACE FUNCTION credits_period_start(p_anchor timestamptz, p_at timestamptz, p_offset int DEFAULT 0) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  v_anchor timestamp := p_anchor AT TIME ZONE 'UTC';
  v_at timestamp := p_at AT TIME ZONE 'UTC';
  v_months int := (extract(year FROM v_at) - extract(year FROM v_anchor)) * 12 + extract(month FROM v_at) - extract(month FROM v_anchor);
BEGIN
  IF v_anchor + make_interval(months => v_months) > v_at THEN
    v_months := v_months - 1;
  END IF;
  RETURN (v_anchor + make_interval(months => v_months + p_offset)) AT TIME ZONE 'UTC';
END $$;
