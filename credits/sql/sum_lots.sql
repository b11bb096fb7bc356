-- What had become of the lots of many accounts before p_at, by kind and currency. Of every lot: granted (nothing, if it gives back what a
-- clawback took: that lessens clawed_back) = used + expired + clawed_back + corrected + outstanding. Credits that came back and paid off
-- debt are clawed back: debt is what a clawback could not find. What is held is outstanding; what was due to expire has expired, even when
-- nobody has settled it yet.
-- The money paid for a lot is divided over it in that order, each boundary rounded half up to the minor unit: the parts add up to it.
-- One row more, of kind balance: the sum of the entries, which is what is outstanding less debt.
CREATE OR REPLACE FUNCTION credits_sum_lots(p_accounts uuid[], p_at timestamptz)
RETURNS TABLE (kind text, currency text, granted numeric, used numeric, expired numeric, clawed_back numeric, corrected numeric,
  outstanding numeric, paid_cents numeric, used_cents numeric, expired_cents numeric, clawed_back_cents numeric, corrected_cents numeric,
  outstanding_cents numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET work_mem = '64MB' AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH e AS (
    SELECT x.account_id, x.number, x.entry_type, x.delta_credits, x.lot_numbers, x.lot_credits
      FROM credits_entry x WHERE x.account_id = ANY (p_accounts) AND x.created_at < p_at),
  h AS (  -- of each receipt, the first `used` credits were spent, and the next `repaid` paid off debt when they came back
    SELECT x.account_id, x.lot_numbers, x.lot_credits,
           CASE WHEN c.number IS NULL THEN 0 ELSE x.captured END - CASE WHEN r.number IS NULL THEN 0 ELSE x.refunded END AS used,
           CASE WHEN c.number IS NULL AND coalesce(x.ended_at >= p_at, true) THEN 0 ELSE x.repaid - coalesce(x.refund_repaid, 0) END
             + CASE WHEN r.number IS NULL THEN 0 ELSE coalesce(x.refund_repaid, 0) END AS repaid
      FROM credits_hold x
      LEFT JOIN e c ON c.account_id = x.account_id AND c.number = x.capture_entry
      LEFT JOIN e r ON r.account_id = x.account_id AND r.number = x.refund_entry
     WHERE x.account_id = ANY (p_accounts) AND x.created_at < p_at AND (x.captured > 0 OR x.repaid > 0)),
  taken AS (
    SELECT h.account_id, h.lot_numbers[1] AS lot, h.used, h.repaid, 0::numeric AS expired, 0::numeric AS clawed_back, 0::numeric AS corrected
      FROM h WHERE cardinality(h.lot_numbers) = 1
    UNION ALL
    SELECT h.account_id, r.lot, least(r.taken, greatest(h.used - r.before, 0)),
           least(r.taken, greatest(h.used + h.repaid - r.before, 0)) - least(r.taken, greatest(h.used - r.before, 0)), 0, 0, 0
      FROM h CROSS JOIN LATERAL (
             SELECT u.lot, u.taken, coalesce(sum(u.taken) OVER (ORDER BY u.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
               FROM unnest(h.lot_numbers, h.lot_credits) WITH ORDINALITY AS u (lot, taken, position)) r
     WHERE cardinality(h.lot_numbers) <> 1
    UNION ALL
    SELECT e.account_id, u.lot, 0, 0, CASE WHEN e.entry_type = 'expiry' THEN u.taken ELSE 0 END,
           CASE WHEN e.entry_type = 'clawback' THEN u.taken ELSE 0 END, CASE WHEN e.entry_type = 'adjustment' THEN u.taken ELSE 0 END
      FROM e CROSS JOIN LATERAL unnest(e.lot_numbers, e.lot_credits) AS u (lot, taken) WHERE e.lot_numbers IS NOT NULL),
  gone AS (
    SELECT t.account_id, t.lot AS number, sum(t.used) AS used, sum(t.repaid) AS repaid, sum(t.expired) AS expired,
           sum(t.clawed_back) AS clawed_back, sum(t.corrected) AS corrected
      FROM taken t GROUP BY 1, 2),
  lots AS (  -- of each lot: how far each part reaches into it
    SELECT g.kind, g.currency, g.credits, g.paid_cents AS paid, e.entry_type = 'clawback' AS gives_back, s.*
      FROM credits_grant g
      JOIN e ON e.account_id = g.account_id AND e.number = g.number
      LEFT JOIN gone o ON o.account_id = g.account_id AND o.number = g.number
     CROSS JOIN LATERAL (SELECT coalesce(o.used, 0) AS used) a
     CROSS JOIN LATERAL (SELECT CASE WHEN g.is_open AND g.expires_at < p_at THEN g.remaining ELSE 0 END AS due) d
     CROSS JOIN LATERAL (SELECT a.used + coalesce(o.expired, 0) + d.due AS expired) b
     CROSS JOIN LATERAL (SELECT b.expired + coalesce(o.clawed_back + o.repaid, 0) + g.repaid AS clawed_back) c
     CROSS JOIN LATERAL (SELECT a.used AS to_used, b.expired AS to_expired, c.clawed_back AS to_clawed_back,
                                c.clawed_back + coalesce(o.corrected, 0) AS to_corrected, d.due) s
     WHERE g.account_id = ANY (p_accounts)),
  parts AS (
    SELECT l.*, CASE WHEN l.gives_back THEN l.credits ELSE 0 END AS back, CASE WHEN l.gives_back THEN l.paid ELSE 0 END AS paid_back,
           round(l.paid * l.to_used / l.credits) AS used_cents, round(l.paid * l.to_expired / l.credits) AS expired_cents,
           round(l.paid * l.to_clawed_back / l.credits) AS clawed_back_cents, round(l.paid * l.to_corrected / l.credits) AS corrected_cents
      FROM lots l)
  SELECT p.kind::text, p.currency::text, sum(p.credits - p.back), sum(p.to_used), sum(p.to_expired - p.to_used),
         sum(p.to_clawed_back - p.to_expired - p.back), sum(p.to_corrected - p.to_clawed_back), sum(p.credits - p.to_corrected),
         coalesce(sum(p.paid - p.paid_back), 0), coalesce(sum(p.used_cents), 0), coalesce(sum(p.expired_cents - p.used_cents), 0),
         coalesce(sum(p.clawed_back_cents - p.expired_cents - p.paid_back), 0),
         coalesce(sum(p.corrected_cents - p.clawed_back_cents), 0), coalesce(sum(p.paid - p.corrected_cents), 0)
    FROM parts p GROUP BY 1, 2
  UNION ALL
  SELECT 'balance', '', 0, 0, 0, 0, 0, (SELECT coalesce(sum(e.delta_credits), 0) FROM e) - (SELECT coalesce(sum(l.due), 0) FROM lots l),
         0, 0, 0, 0, 0, 0;
END $$;
