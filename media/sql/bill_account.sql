-- Bill an account as it was reckoned from what was read without a lock, charging each day whole: in one round trip, for the many
-- accounts that can pay. False, and nothing written, where that cannot be: the account has changed since, owes something, has too
-- few credits, or anything else stands in the way. The caller then bills it step by step, under the lock.
--
-- The commit does not wait for the disk: a bill that the disk had not seen when the power went is made again by the next run, and
-- whatever is committed after it, and waits, takes it along.
CREATE OR REPLACE FUNCTION media_bill_account(
  p_account uuid, p_stored_bytes bigint, p_metered_at timestamptz, p_billed_until date,  -- as they were read
  p_until date, p_carried numeric, p_credits numeric, p_days jsonb, p_operation text, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  d record;
  v_charge record;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  UPDATE media_storageaccount a
     SET metered_at = p_until::timestamp AT TIME ZONE 'UTC', day_byte_seconds = 0, billed_until = p_until, carried = p_carried,
         billed_credits = a.billed_credits + p_credits, paid_credits = a.paid_credits + p_credits
   WHERE a.account_id = p_account AND a.stored_bytes = p_stored_bytes AND a.metered_at = p_metered_at
     AND a.billed_until = p_billed_until AND a.unpaid_since IS NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;

  FOR d IN SELECT * FROM jsonb_to_recordset(p_days) x(
      day_date date, byte_seconds numeric, credits numeric, idempotency_key text, reference_id text, description text) LOOP
    IF d.credits > 0 THEN
      v_charge := credits_charge(p_account, d.credits, true, p_operation, '', d.description, p_operation, d.reference_id,
        d.idempotency_key, p_now);
      IF (v_charge.entry).delta_credits IS DISTINCT FROM -d.credits THEN
        RAISE EXCEPTION 'the charge of % was answered %', d.day_date, v_charge.status;
      END IF;
    END IF;
    INSERT INTO media_storageday (user_id, day_date, byte_seconds, credits, paid_credits, billed_at)
    VALUES (p_account, d.day_date, d.byte_seconds, d.credits, d.credits, p_now);
  END LOOP;
  RETURN true;
EXCEPTION WHEN OTHERS THEN
  RETURN false;  -- and what was written is undone
END $$;
