-- Recompute accounts from their entries, lots, receipts and holds, and name every difference from what is cached: the first of each kind
-- in each account. No row: the books add up. One snapshot, read once from end to end, whatever is written meanwhile.
CREATE OR REPLACE FUNCTION credits_verify_accounts(p_accounts uuid[])
RETURNS TABLE (account_id uuid, fault text, number bigint, found text, expected text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET work_mem = '64MB' AS $$
#variable_conflict use_column
BEGIN
  -- Entries: numbered without a gap, each balance and running sum following from the one before, in order of time.
  RETURN QUERY
    WITH e AS (
      SELECT x.account_id, x.number, x.entry_type, x.delta_credits, x.created_at,
             x.number <> coalesce(lag(x.number) OVER w, 0) + 1 AS gap,
             x.balance_after <> coalesce(lag(x.balance_after) OVER w, 0) + x.delta_credits AS balance,
             x.created_at < lag(x.created_at) OVER w AS earlier,
             x.type_number <> coalesce(lag(x.type_number) OVER t, 0) + 1 AS type_gap,
             x.type_credits_after <> coalesce(lag(x.type_credits_after) OVER t, 0) + x.delta_credits AS type_sum
        FROM credits_entry x WHERE x.account_id = ANY (p_accounts)
      WINDOW w AS (PARTITION BY x.account_id ORDER BY x.number), t AS (PARTITION BY x.account_id, x.entry_type ORDER BY x.number)),
    types AS (
      SELECT e.account_id, e.entry_type, count(*) AS n, sum(e.delta_credits) AS total, max(e.created_at) AS last_at,
             min(e.number) FILTER (WHERE e.gap) AS gap, min(e.number) FILTER (WHERE e.balance) AS balance,
             min(e.number) FILTER (WHERE e.earlier) AS earlier, min(e.number) FILTER (WHERE e.type_gap) AS type_gap,
             min(e.number) FILTER (WHERE e.type_sum) AS type_sum
        FROM e GROUP BY 1, 2),
    sums AS (
      SELECT s.account_id, sum(s.n) AS n, sum(s.total) AS total, max(s.last_at) AS last_at, min(s.gap) AS gap, min(s.balance) AS balance,
             min(s.earlier) AS earlier, min(s.type_gap) AS type_gap, min(s.type_sum) AS type_sum
        FROM types s GROUP BY 1)
    SELECT s.account_id, v.fault, v.number, v.found, v.expected
      FROM sums s CROSS JOIN LATERAL (VALUES
             ('entry_number', s.gap), ('entry_balance', s.balance), ('entry_time', s.earlier),
             ('entry_type_number', s.type_gap), ('entry_type_sum', s.type_sum)) AS f (fault, number)
      JOIN credits_entry e ON e.account_id = s.account_id AND e.number = f.number
      LEFT JOIN LATERAL (SELECT x.* FROM credits_entry x WHERE x.account_id = e.account_id AND x.number < e.number
                          ORDER BY x.number DESC LIMIT 1) b ON true
      LEFT JOIN LATERAL (SELECT x.* FROM credits_entry x WHERE x.account_id = e.account_id AND x.entry_type = e.entry_type AND x.number < e.number
                          ORDER BY x.number DESC LIMIT 1) t ON true
     CROSS JOIN LATERAL (VALUES
       ('entry_number', e.number, e.number::text, (coalesce(b.number, 0) + 1)::text),
       ('entry_balance', e.number, e.balance_after::text, (coalesce(b.balance_after, 0) + e.delta_credits)::text),
       ('entry_time', e.number, e.created_at::text, b.created_at::text),
       ('entry_type_number', e.number, e.type_number::text, (coalesce(t.type_number, 0) + 1)::text),
       ('entry_type_sum', e.number, e.type_credits_after::text, (coalesce(t.type_credits_after, 0) + e.delta_credits)::text)
     ) AS v (fault, number, found, expected)
     WHERE v.fault = f.fault
    UNION ALL
    SELECT a.account_id, v.fault, NULL, v.found, v.expected
      FROM credits_account a LEFT JOIN sums s ON s.account_id = a.account_id
     CROSS JOIN LATERAL (VALUES
       ('account_entry_count', a.entry_count::text, coalesce(s.n, 0)::text, a.entry_count <> coalesce(s.n, 0)),
       ('account_balance', (a.available + a.held - a.debt)::text, coalesce(s.total, 0)::text, a.available + a.held - a.debt <> coalesce(s.total, 0)),
       ('account_last_entry_at', a.last_entry_at::text, s.last_at::text, s.last_at > a.last_entry_at)
     ) AS v (fault, found, expected, wrong)
     WHERE a.account_id = ANY (p_accounts) AND v.wrong
    UNION ALL
    SELECT DISTINCT ON (1) account_id, 'entry_total', NULL::bigint,
           concat(t.entry_type, ' ', t.entries, ' ', t.credits), concat(s.entry_type, ' ', s.n, ' ', s.total)
      FROM (SELECT x.* FROM credits_entrytotal x WHERE x.account_id = ANY (p_accounts)) t
      FULL JOIN types s USING (account_id, entry_type)
     WHERE (t.entries, t.credits) IS DISTINCT FROM (s.n, s.total);

  -- Holds: numbered without a gap, with a receipt that adds up.
  RETURN QUERY
    WITH h AS (
      SELECT x.account_id, x.number,
             cardinality(x.lot_numbers) <> cardinality(x.lot_credits) OR x.credits IS DISTINCT FROM
               CASE cardinality(x.lot_credits) WHEN 1 THEN x.lot_credits[1] ELSE (SELECT sum(c) FROM unnest(x.lot_credits) c) END AS receipt
        FROM credits_hold x WHERE x.account_id = ANY (p_accounts)),
    sums AS (
      SELECT h.account_id, count(*) AS n, max(h.number) AS last, min(h.number) FILTER (WHERE h.receipt) AS receipt
        FROM h GROUP BY 1)
    SELECT a.account_id, v.fault, v.number, v.found, v.expected
      FROM credits_account a LEFT JOIN sums s ON s.account_id = a.account_id
     CROSS JOIN LATERAL (VALUES
       ('account_hold_count', NULL::bigint, a.hold_count::text, coalesce(s.n, 0)::text, a.hold_count <> coalesce(s.n, 0)),
       ('hold_number', NULL, s.last::text, s.n::text, s.last <> s.n),
       ('hold_receipt', s.receipt, (SELECT x.credits::text FROM credits_hold x WHERE x.account_id = a.account_id AND x.number = s.receipt),
         (SELECT sum(c)::text FROM credits_hold x, unnest(x.lot_credits) c WHERE x.account_id = a.account_id AND x.number = s.receipt),
         s.receipt IS NOT NULL)
     ) AS v (fault, number, found, expected, wrong)
     WHERE a.account_id = ANY (p_accounts) AND v.wrong;

  -- One entry per finish. The rollup: what was captured, by the day of the capture (UTC), operation and model, less what was refunded
  -- of it; and the same since the period began.
  RETURN QUERY
    WITH days AS (
      SELECT account_id, (u.created_at AT TIME ZONE 'UTC')::date AS day_date, h.operation, h.model_id, count(*) AS n,
             sum(h.captured - h.refunded) AS credits,
             sum(h.captured - h.refunded) FILTER (WHERE u.created_at >= a.period_start_at) AS used,
             min(number) FILTER (WHERE h.holds IS NULL OR (h.capture_entry, h.captured) IS DISTINCT FROM (u.entry, coalesce(u.spent, 0))) AS bad
        FROM (SELECT x.account_id, x.number, x.operation, x.model_id, x.captured, x.refunded, x.capture_entry, true AS holds
                FROM credits_hold x WHERE x.account_id = ANY (p_accounts)) h
        FULL JOIN (SELECT x.account_id, x.hold_number AS number, x.number AS entry, -x.delta_credits AS spent, x.created_at
                     FROM credits_entry x WHERE x.account_id = ANY (p_accounts) AND x.entry_type = 'usage' AND x.hold_number IS NOT NULL) u
               USING (account_id, number)
        JOIN (SELECT x.account_id, x.period_start_at FROM credits_account x WHERE x.account_id = ANY (p_accounts)) a USING (account_id)
       GROUP BY 1, 2, 3, 4),
    bad AS (SELECT d.account_id, min(d.bad) AS number FROM days d GROUP BY 1 HAVING min(d.bad) IS NOT NULL),
    used AS (SELECT d.account_id, sum(d.used) AS used FROM days d GROUP BY 1)
    SELECT b.account_id, 'hold_capture', b.number, concat(h.status, ' ', h.captured), concat(e.n, ' entries of ', e.delta)
      FROM bad b LEFT JOIN credits_hold h ON h.account_id = b.account_id AND h.number = b.number
     CROSS JOIN LATERAL (SELECT count(*) AS n, sum(x.delta_credits) AS delta FROM credits_entry x
                          WHERE x.account_id = b.account_id AND x.hold_number = b.number AND x.entry_type = 'usage') e
    UNION ALL
    (SELECT DISTINCT ON (1) account_id, 'usage_day', NULL::bigint, concat(u.day_date, ' ', u.operation, ' ', u.captures, ' ', u.credits),
            concat(d.day_date, ' ', d.operation, ' ', d.n, ' ', d.credits)
       FROM (SELECT x.* FROM credits_usageday x WHERE x.account_id = ANY (p_accounts)) u
       FULL JOIN (SELECT * FROM days WHERE day_date IS NOT NULL AND operation IS NOT NULL) d
              USING (account_id, day_date, operation, model_id)
      WHERE (u.captures, u.credits) IS DISTINCT FROM (d.n, d.credits))
    UNION ALL
    SELECT a.account_id, 'account_period_used', NULL, a.period_used::text, coalesce(s.used, 0)::text
      FROM credits_account a LEFT JOIN used s ON s.account_id = a.account_id
     WHERE a.account_id = ANY (p_accounts) AND a.period_used <> coalesce(s.used, 0);

  RETURN QUERY
    SELECT DISTINCT ON (1) account_id, 'hold_refund', number, h.refunded::text, concat(r.entry, ' of ', r.delta)
      FROM (SELECT x.account_id, x.number, x.refunded, x.refund_entry FROM credits_hold x
             WHERE x.account_id = ANY (p_accounts) AND (x.refunded > 0 OR x.refund_entry IS NOT NULL)) h
      FULL JOIN (SELECT x.account_id, x.hold_number AS number, x.number AS entry, x.delta_credits AS delta FROM credits_entry x
                  WHERE x.account_id = ANY (p_accounts) AND x.entry_type = 'refund' AND x.hold_number IS NOT NULL) r USING (account_id, number)
     WHERE (h.refund_entry, h.refunded) IS DISTINCT FROM (r.entry, r.delta)
     ORDER BY 1, 3;

  -- Lots: what remains is what was given, less what receipts say was taken. Of a settled hold's receipt, the first `captured - refunded
  -- + repaid` credits are out of their lots; of an open one's, all.
  RETURN QUERY
    WITH taken AS (
      SELECT x.account_id, x.lot_numbers[1] AS lot, 'hold' AS why,
             CASE WHEN x.status = 'open' THEN x.lot_credits[1] ELSE least(x.lot_credits[1], x.captured - x.refunded + x.repaid) END AS credits
        FROM credits_hold x WHERE x.account_id = ANY (p_accounts) AND cardinality(x.lot_numbers) = 1
      UNION ALL
      SELECT x.account_id, r.lot, 'hold',
             CASE WHEN x.status = 'open' THEN r.taken ELSE least(r.taken, greatest(x.captured - x.refunded + x.repaid - r.before, 0)) END
        FROM credits_hold x CROSS JOIN LATERAL (
               SELECT u.lot, u.taken, coalesce(sum(u.taken) OVER (ORDER BY u.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
                 FROM unnest(x.lot_numbers, x.lot_credits) WITH ORDINALITY AS u (lot, taken, position)) r
       WHERE x.account_id = ANY (p_accounts) AND cardinality(x.lot_numbers) <> 1
      UNION ALL
      SELECT x.account_id, u.lot, x.entry_type, u.taken FROM credits_entry x CROSS JOIN LATERAL unnest(x.lot_numbers, x.lot_credits) AS u (lot, taken)
       WHERE x.account_id = ANY (p_accounts) AND x.lot_numbers IS NOT NULL),
    gone AS (
      SELECT t.account_id, t.lot AS number, sum(t.credits) AS out, coalesce(sum(t.credits) FILTER (WHERE t.why = 'expiry'), 0) AS expired
        FROM taken t GROUP BY 1, 2),
    g AS (SELECT x.* FROM credits_grant x WHERE x.account_id = ANY (p_accounts)),
    lots AS (
      SELECT coalesce(g.account_id, gone.account_id) AS account_id, coalesce(g.number, gone.number) AS number, v.*
        FROM g FULL JOIN gone USING (account_id, number)
        LEFT JOIN LATERAL (SELECT x.* FROM credits_entry x WHERE x.account_id = g.account_id AND x.number = g.number LIMIT 1) e ON true
       CROSS JOIN LATERAL (VALUES
         ('lot_remaining', g.remaining::text, (g.credits - g.repaid - coalesce(gone.out, 0))::text,
           g.remaining IS DISTINCT FROM g.credits - g.repaid - coalesce(gone.out, 0)),
         ('lot_expired', g.expired::text, coalesce(gone.expired, 0)::text, g.expired <> coalesce(gone.expired, 0)),
         ('lot_entry', g.credits::text, concat(e.entry_type, ' ', e.delta_credits),
           g.credits IS NOT NULL AND (e.delta_credits IS DISTINCT FROM g.credits OR e.entry_type NOT IN (g.kind, 'clawback')))
       ) AS v (fault, found, expected, wrong)
       WHERE v.wrong)
    (SELECT DISTINCT ON (1, 2) l.account_id, l.fault, l.number, l.found, l.expected FROM lots l ORDER BY 1, 2, 3)
    UNION ALL
    (SELECT DISTINCT ON (1) e.account_id, 'entry_without_lot', e.number, e.delta_credits::text, NULL
       FROM credits_entry e LEFT JOIN g ON g.account_id = e.account_id AND g.number = e.number
      WHERE e.account_id = ANY (p_accounts) AND e.delta_credits > 0 AND e.hold_number IS NULL AND g.number IS NULL
      ORDER BY 1, 3);

  -- The account: what is cached is the sum of its lots and holds; nothing is due before it says so.
  RETURN QUERY
    WITH g AS (
      SELECT x.account_id, sum(x.remaining) AS remaining, sum(x.repaid) AS repaid, sum(x.clawed_back) AS clawed_back,
             min(x.expires_at) FILTER (WHERE x.is_open) AS due,
             (array_agg(x.number ORDER BY x.priority, x.expires_at, x.is_paid, x.effective_at, x.number) FILTER (WHERE x.is_open))[1] AS head
        FROM credits_grant x WHERE x.account_id = ANY (p_accounts) GROUP BY 1),
    h AS (
      SELECT x.account_id, sum(x.credits) FILTER (WHERE x.status = 'open') AS held, sum(x.repaid) AS repaid,
             min(x.expires_at) FILTER (WHERE x.status = 'open') AS due
        FROM credits_hold x WHERE x.account_id = ANY (p_accounts) GROUP BY 1),
    c AS (
      SELECT x.account_id, -sum(x.delta_credits) AS clawed_back,
             sum(-x.delta_credits - (SELECT coalesce(sum(t), 0) FROM unnest(x.lot_credits) t)) FILTER (WHERE x.delta_credits < 0) AS owed
        FROM credits_entry x WHERE x.account_id = ANY (p_accounts) AND x.entry_type = 'clawback' GROUP BY 1)
    SELECT a.account_id, v.fault, NULL::bigint, v.found, v.expected
      FROM credits_account a
      LEFT JOIN g ON g.account_id = a.account_id LEFT JOIN h ON h.account_id = a.account_id LEFT JOIN c ON c.account_id = a.account_id
     CROSS JOIN LATERAL (SELECT coalesce(g.remaining, 0) AS available, coalesce(h.held, 0) AS held,
               coalesce(c.owed, 0) - coalesce(g.repaid, 0) - coalesce(h.repaid, 0) AS debt,
               coalesce(g.head, 0) AS head, least(a.period_end_at, g.due, h.due) AS due) now
     CROSS JOIN LATERAL (VALUES
       ('account_available', a.available::text, now.available::text, a.available <> now.available),
       ('account_held', a.held::text, now.held::text, a.held <> now.held),
       ('account_debt', a.debt::text, now.debt::text, a.debt <> now.debt),
       ('account_head_grant', a.head_grant::text, now.head::text, a.head_grant <> now.head),
       ('account_next_due_at', a.next_due_at::text, now.due::text, a.next_due_at > now.due),
       ('clawed_back', coalesce(g.clawed_back, 0)::text, coalesce(c.clawed_back, 0)::text, coalesce(g.clawed_back, 0) <> coalesce(c.clawed_back, 0))
     ) AS v (fault, found, expected, wrong)
     WHERE a.account_id = ANY (p_accounts) AND v.wrong;
END $$;
