-- A person's history of %(length)s entries over 180 days, as the ledger would have written it: usage with its holds, every twentieth an
-- adjustment, one up and one down. Five models; every five-hundredth entry speaks of a ticket, every hundred-thousandth is of a rare model.
INSERT INTO credits_account (account_id, available, held, debt, entry_count, hold_count, head_grant, next_due_at, last_entry_at, frozen_causes,
  plan, plan_source, anchor_at, period_start_at, period_end_at, period_used, opened_at)
SELECT %(account)s, 1000, 0, 0, %(length)s, %(length)s, 1, %(now)s + interval '20 days', %(now)s, '{}', 'pro', 'bench', %(now)s - interval '180 days',
       %(now)s - interval '10 days', %(now)s + interval '20 days', 500, %(now)s - interval '180 days';
CREATE TEMP TABLE line AS
SELECT i AS number, CASE WHEN i %% 20 = 0 THEN 'adjustment' ELSE 'usage' END AS entry_type,
       CASE WHEN i %% 20 = 0 THEN i / 20 ELSE i - i / 20 END AS type_number, CASE WHEN i %% 20 > 0 THEN i - i / 20 END AS hold_number,
       CASE WHEN i %% 40 = 20 THEN 1 ELSE -1 END AS delta,
       CASE WHEN i %% 20 = 0 THEN '' WHEN i %% 100000 = 1 THEN 'rare-1' ELSE (ARRAY['flux-pro','kling-2','sora-2','eleven-3','imagen-4'])[1 + i %% 5] END AS model_id,
       CASE WHEN i %% 20 > 0 THEN 'job-' || i ELSE '' END AS reference_id,
       CASE WHEN i %% 500 = 0 THEN 'Sorry for ticket ' || i WHEN i %% 2 = 0 THEN 'Video generation' ELSE 'Image generation' END AS description,
       CASE WHEN i %% 20 = 0 THEN '' WHEN i %% 2 = 0 THEN 'video_generation' ELSE 'image_generation' END AS operation,
       %(now)s - interval '180 days' + i * (interval '180 days' / %(length)s) AS at
  FROM generate_series(1, %(length)s::bigint) i;
INSERT INTO credits_entry (account_id, number, entry_type, delta_credits, balance_after, type_number, type_credits_after, hold_number, reference_type,
  reference_id, model_id, description, created_at)
SELECT %(account)s, number, entry_type, delta, 1000 + %(length)s + sum(delta) OVER (ORDER BY number), type_number,
  sum(delta) OVER (PARTITION BY entry_type ORDER BY number), hold_number, operation, reference_id, model_id, description, at
  FROM line ORDER BY number;
INSERT INTO credits_hold (account_id, number, operation, model_id, credits, captured, refunded, repaid, status, high_priority, lot_numbers, lot_credits,
  reference_id, available_after, capture_entry, created_at, expires_at)
SELECT %(account)s, hold_number, operation, model_id, 1, 1, 0, 0, 'captured', false, '{1}', '{1}', reference_id, 0, number, at, at
  FROM line WHERE hold_number IS NOT NULL ORDER BY hold_number;
INSERT INTO credits_entrytotal (account_id, entry_type, entries, credits)
SELECT %(account)s, entry_type, count(*), sum(delta) FROM line GROUP BY entry_type;
INSERT INTO credits_usageday (account_id, day_date, operation, model_id, captures, credits)
SELECT %(account)s, (at AT TIME ZONE 'UTC')::date, operation, model_id, count(*), count(*) FROM line WHERE hold_number IS NOT NULL GROUP BY 2, 3, 4;
INSERT INTO credits_grant (account_id, number, kind, source, credits, remaining, repaid, expired, clawed_back, priority, is_paid, is_open, effective_at)
SELECT %(account)s, 1, 'purchase', 'purchase:bench', 1000 + %(length)s, 1000, 0, 0, 0, 100, true, true, %(now)s - interval '180 days';
DROP TABLE line;
