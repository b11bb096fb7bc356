-- Add a capture to the day's usage (UTC).
CREATE OR REPLACE FUNCTION credits_record_usage(p_account uuid, p_at timestamptz, p_operation text, p_model text, p_credits numeric)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO credits_usageday AS u (account_id, day_date, operation, model_id, captures, credits)
  VALUES (p_account, (p_at AT TIME ZONE 'UTC')::date, p_operation, p_model, 1, p_credits)
  ON CONFLICT (account_id, day_date, operation, model_id)
  DO UPDATE SET captures = u.captures + 1, credits = u.credits + excluded.credits
$$;
