-- Recompute an account from its entries, lots, receipts and holds, and name every difference from what is cached. No row: the books add up.
CREATE OR REPLACE FUNCTION credits_verify_account(p_account uuid) RETURNS TABLE (fault text, number bigint, found text, expected text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
  a credits_account;
  v_lots numeric;
  v_held numeric;
  v_debt numeric;
BEGIN
  SELECT * INTO a FROM credits_account x WHERE x.account_id = p_account;

  -- Entries: numbered without a gap, each balance and running sum following from the one before, in order of time.
  RETURN QUERY
    WITH e AS (
      SELECT x.*, row_number() OVER w AS seq, sum(x.delta_credits) OVER w AS balance,
             row_number() OVER t AS type_seq, sum(x.delta_credits) OVER t AS type_sum, lag(x.created_at) OVER w AS earlier
        FROM credits_entry x WHERE x.account_id = p_account
      WINDOW w AS (ORDER BY x.number ROWS UNBOUNDED PRECEDING), t AS (PARTITION BY x.entry_type ORDER BY x.number ROWS UNBOUNDED PRECEDING))
    (SELECT 'entry_number', e.number, e.number::text, e.seq::text FROM e WHERE e.number <> e.seq LIMIT 1)
    UNION ALL (SELECT 'entry_balance', e.number, e.balance_after::text, e.balance::text FROM e WHERE e.balance_after <> e.balance LIMIT 1)
    UNION ALL (SELECT 'entry_type_number', e.number, e.type_number::text, e.type_seq::text FROM e WHERE e.type_number <> e.type_seq LIMIT 1)
    UNION ALL (SELECT 'entry_type_sum', e.number, e.type_credits_after::text, e.type_sum::text FROM e WHERE e.type_credits_after <> e.type_sum LIMIT 1)
    UNION ALL (SELECT 'entry_time', e.number, e.created_at::text, e.earlier::text FROM e WHERE e.created_at < e.earlier LIMIT 1)
    UNION ALL SELECT 'account_entry_count', NULL, a.entry_count::text, count(*)::text FROM e HAVING count(*) <> a.entry_count
    UNION ALL SELECT 'account_balance', NULL, (a.available + a.held - a.debt)::text, coalesce(sum(e.delta_credits), 0)::text
                FROM e HAVING coalesce(sum(e.delta_credits), 0) <> a.available + a.held - a.debt
    UNION ALL SELECT 'account_last_entry_at', NULL, a.last_entry_at::text, max(e.created_at)::text FROM e HAVING max(e.created_at) > a.last_entry_at
    UNION ALL SELECT 'entry_total', NULL, concat(t.entry_type, ' ', t.entries, ' ', t.credits), concat(s.entry_type, ' ', s.n, ' ', s.total)
                FROM (SELECT x.* FROM credits_entrytotal x WHERE x.account_id = p_account) t
                FULL JOIN (SELECT e.entry_type, count(*) AS n, sum(e.delta_credits) AS total FROM e GROUP BY 1) s USING (entry_type)
               WHERE (t.entries, t.credits) IS DISTINCT FROM (s.n, s.total);

  -- Holds: numbered without a gap, a receipt that adds up, one entry per finish.
  RETURN QUERY
    WITH h AS (SELECT x.*, row_number() OVER (ORDER BY x.number) AS seq FROM credits_hold x WHERE x.account_id = p_account),
         f AS (SELECT x.hold_number, x.entry_type, count(*) AS n, sum(x.delta_credits) AS delta, max(x.number) AS entry
                 FROM credits_entry x WHERE x.account_id = p_account AND x.hold_number IS NOT NULL GROUP BY 1, 2)
    (SELECT 'hold_number', h.number, h.number::text, h.seq::text FROM h WHERE h.number <> h.seq LIMIT 1)
    UNION ALL SELECT 'account_hold_count', NULL, a.hold_count::text, count(*)::text FROM h HAVING count(*) <> a.hold_count
    UNION ALL (SELECT 'hold_receipt', h.number, h.credits::text, (SELECT sum(c) FROM unnest(h.lot_credits) c)::text FROM h
                WHERE cardinality(h.lot_numbers) <> cardinality(h.lot_credits) OR h.credits IS DISTINCT FROM (SELECT sum(c) FROM unnest(h.lot_credits) c) LIMIT 1)
    UNION ALL (SELECT 'hold_capture', coalesce(h.number, f.hold_number), concat(h.status, ' ', h.captured), concat(f.n, ' entries of ', f.delta)
                 FROM h FULL JOIN (SELECT * FROM f WHERE f.entry_type = 'usage') f ON f.hold_number = h.number
                WHERE h.number IS NULL OR (h.capture_entry, h.captured) IS DISTINCT FROM (f.entry, coalesce(-f.delta, 0)) OR f.n > 1 LIMIT 1)
    UNION ALL (SELECT 'hold_refund', coalesce(h.number, f.hold_number), h.refunded::text, concat(f.n, ' entries of ', f.delta)
                 FROM h FULL JOIN (SELECT * FROM f WHERE f.entry_type = 'refund') f ON f.hold_number = h.number
                WHERE h.number IS NULL OR (h.refund_entry, h.refunded) IS DISTINCT FROM (f.entry, coalesce(f.delta, 0)) OR f.n > 1 LIMIT 1);

  -- Lots: what remains is what was given, less what receipts say was taken. Of a settled hold's receipt, the first `captured - refunded
  -- + repaid` credits are out of their lots; of an open one's, all.
  RETURN QUERY
    WITH receipts AS (
      SELECT r.lot, sum(CASE WHEN x.status = 'open' THEN r.taken
               ELSE least(r.taken, greatest(x.captured - x.refunded + x.repaid - r.before, 0)) END) AS out
        FROM credits_hold x CROSS JOIN LATERAL (
               SELECT u.lot, u.taken, coalesce(sum(u.taken) OVER (ORDER BY u.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
                 FROM unnest(x.lot_numbers, x.lot_credits) WITH ORDINALITY AS u (lot, taken, position)) r
       WHERE x.account_id = p_account GROUP BY 1
      UNION ALL
      SELECT u.lot, sum(u.taken) FROM credits_entry x CROSS JOIN LATERAL unnest(x.lot_numbers, x.lot_credits) AS u (lot, taken)
       WHERE x.account_id = p_account AND x.lot_numbers IS NOT NULL GROUP BY 1),
    gone AS (SELECT lot, sum(out) AS out FROM receipts GROUP BY 1),
    expiries AS (SELECT u.lot, sum(u.taken) AS out FROM credits_entry x CROSS JOIN LATERAL unnest(x.lot_numbers, x.lot_credits) AS u (lot, taken)
                  WHERE x.account_id = p_account AND x.entry_type = 'expiry' GROUP BY 1),
    g AS (SELECT * FROM credits_grant x WHERE x.account_id = p_account)
    (SELECT 'lot_remaining', coalesce(g.number, gone.lot), g.remaining::text, (g.credits - g.repaid - coalesce(gone.out, 0))::text
       FROM g FULL JOIN gone ON gone.lot = g.number WHERE g.remaining IS DISTINCT FROM g.credits - g.repaid - coalesce(gone.out, 0) LIMIT 1)
    UNION ALL (SELECT 'lot_expired', g.number, g.expired::text, coalesce(x.out, 0)::text
                 FROM g LEFT JOIN expiries x ON x.lot = g.number WHERE g.expired <> coalesce(x.out, 0) LIMIT 1)
    UNION ALL (SELECT 'lot_entry', g.number, g.credits::text, e.delta_credits::text
                 FROM g LEFT JOIN credits_entry e ON e.account_id = p_account AND e.number = g.number
                WHERE e.delta_credits IS DISTINCT FROM g.credits OR e.entry_type NOT IN (g.kind, 'clawback') LIMIT 1)
    UNION ALL (SELECT 'entry_without_lot', e.number, e.delta_credits::text, NULL
                 FROM credits_entry e WHERE e.account_id = p_account AND e.delta_credits > 0 AND e.hold_number IS NULL
                  AND NOT EXISTS (SELECT FROM g WHERE g.number = e.number) LIMIT 1)
    UNION ALL SELECT 'clawed_back', NULL, (SELECT coalesce(sum(g.clawed_back), 0) FROM g)::text, coalesce(-sum(e.delta_credits), 0)::text
                FROM credits_entry e WHERE e.account_id = p_account AND e.entry_type = 'clawback'
              HAVING coalesce(-sum(e.delta_credits), 0) <> (SELECT coalesce(sum(g.clawed_back), 0) FROM g);

  -- The account: what is cached is the sum of its lots and holds; nothing is due before it says so.
  SELECT coalesce(sum(g.remaining), 0) INTO v_lots FROM credits_grant g WHERE g.account_id = p_account;
  SELECT coalesce(sum(h.credits), 0) INTO v_held FROM credits_hold h WHERE h.account_id = p_account AND h.status = 'open';
  SELECT coalesce(sum(-e.delta_credits - (SELECT coalesce(sum(c), 0) FROM unnest(e.lot_credits) c)), 0) INTO v_debt
    FROM credits_entry e WHERE e.account_id = p_account AND e.entry_type = 'clawback' AND e.delta_credits < 0;
  v_debt := v_debt - (SELECT coalesce(sum(g.repaid), 0) FROM credits_grant g WHERE g.account_id = p_account)
                   - (SELECT coalesce(sum(h.repaid), 0) FROM credits_hold h WHERE h.account_id = p_account);
  RETURN QUERY
    SELECT y.fault, y.number, y.found, y.expected FROM (
      SELECT coalesce((SELECT g.number FROM credits_grant g WHERE g.account_id = p_account AND g.is_open
                        ORDER BY g.priority, g.expires_at, g.is_paid, g.effective_at, g.number LIMIT 1), 0) AS head,
             least(a.period_end_at,
               (SELECT min(g.expires_at) FROM credits_grant g WHERE g.account_id = p_account AND g.is_open),
               (SELECT min(h.expires_at) FROM credits_hold h WHERE h.account_id = p_account AND h.status = 'open')) AS due,
             credits_used_since(p_account, a.period_start_at) AS used) now
    CROSS JOIN LATERAL (VALUES
      ('account_available', NULL::bigint, a.available::text, v_lots::text, a.available <> v_lots),
      ('account_held', NULL, a.held::text, v_held::text, a.held <> v_held),
      ('account_debt', NULL, a.debt::text, v_debt::text, a.debt <> v_debt),
      ('account_period_used', NULL, a.period_used::text, now.used::text, a.period_used <> now.used),
      ('account_head_grant', NULL, a.head_grant::text, now.head::text, a.head_grant <> now.head),
      ('account_next_due_at', NULL, a.next_due_at::text, now.due::text, a.next_due_at > now.due)
    ) AS y (fault, number, found, expected, wrong)
    WHERE y.wrong;

  -- The rollup: what was captured, by the day of the capture (UTC), operation and model, less what was refunded of it.
  RETURN QUERY
    SELECT 'usage_day', NULL::bigint, concat(u.day_date, ' ', u.operation, ' ', u.captures, ' ', u.credits),
           concat(s.day_date, ' ', s.operation, ' ', s.n, ' ', s.credits)
      FROM (SELECT x.* FROM credits_usageday x WHERE x.account_id = p_account) u
      FULL JOIN (
        SELECT (e.created_at AT TIME ZONE 'UTC')::date AS day_date, h.operation, h.model_id, count(*) AS n, sum(h.captured - h.refunded) AS credits
          FROM credits_hold h JOIN credits_entry e ON e.account_id = h.account_id AND e.number = h.capture_entry
         WHERE h.account_id = p_account GROUP BY 1, 2, 3) s USING (day_date, operation, model_id)
     WHERE (u.captures, u.credits) IS DISTINCT FROM (s.n, s.credits) LIMIT 1;
END $$;
