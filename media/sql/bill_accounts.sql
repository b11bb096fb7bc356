-- Bill accounts one after the other, each in a transaction of its own, in one round trip, and say which of them could not be billed as
-- they were read (`bill_account.sql`). A caller who is in a transaction keeps it: p_commits is false then.
CREATE OR REPLACE PROCEDURE media_bill_accounts(
  p_accounts jsonb, p_until date, p_operation text, p_now timestamptz, p_commits boolean, INOUT p_left uuid[]
) LANGUAGE plpgsql AS $$
DECLARE
  a record;
BEGIN
  p_left := '{}';
  FOR a IN SELECT * FROM jsonb_to_recordset(p_accounts) x(
      account_id uuid, stored_bytes bigint, metered_at timestamptz, billed_until date, carried numeric, credits numeric, days jsonb) LOOP
    IF NOT media_bill_account(
        a.account_id, a.stored_bytes, a.metered_at, a.billed_until, p_until, a.carried, a.credits, a.days, p_operation, p_now) THEN
      p_left := p_left || a.account_id;
    END IF;
    IF p_commits THEN
      COMMIT;
    END IF;
  END LOOP;
END $$;
