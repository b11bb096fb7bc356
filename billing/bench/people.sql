-- So many people as %(users)s says, each with 8 days of life in the last half year: a purchase and %(per_day)s entries a day.
-- Of everything that staff filter by there are some that are rare: one in a thousand, more or less.
-- In order of time, as life writes it: block b of a person's days falls on the days b * 22 and later, by their number.
CREATE TEMP TABLE person AS
SELECT a, md5(a::text)::uuid AS id, a %% 22 AS shift FROM generate_series(1, %(users)s) a;
CREATE INDEX ON person (shift);
ANALYZE person;

INSERT INTO users_user (id, password, is_superuser, email, name, is_staff, is_active, created_at, language)
SELECT id, '!', false, 'person' || a || '@bench.test', (ARRAY['Ada','Bo','Cem','Dora','Eli'])[1 + a %% 5] || ' Bench' || a, a %% 5000 = 1, a %% 1000 <> 2,
       %(now)s - interval '180 days' + a * interval '1 minute', 'en' FROM person;
INSERT INTO account_emailaddress (user_id, email, verified, "primary") SELECT id, 'person' || a || '@bench.test', true, true FROM person;

INSERT INTO credits_account (account_id, available, held, debt, entry_count, hold_count, head_grant, next_due_at, last_entry_at, frozen_causes,
  plan, plan_source, anchor_at, period_start_at, period_end_at, period_used, opened_at)
SELECT id, CASE WHEN a %% 1000 = 3 THEN 0 ELSE 1000 END, 0, CASE WHEN a %% 1000 = 3 THEN 5 ELSE 0 END, 8 * %(per_day)s, 0, 1,
       %(now)s + interval '20 days', %(now)s, CASE WHEN a %% 1000 = 4 THEN '{staff}' ELSE '{}' END::text[], 'free', 'free', %(now)s - interval '180 days',
       %(now)s - interval '10 days', %(now)s + interval '20 days', 5, %(now)s - interval '180 days' FROM person;
INSERT INTO credits_grant (account_id, number, kind, source, credits, remaining, repaid, expired, clawed_back, priority, is_paid, is_open, effective_at)
SELECT id, 1, 'purchase', 'purchase:bench', 2000, 1000, 0, 0, 0, 100, true, true, %(now)s - interval '180 days' FROM person;

INSERT INTO credits_entry (account_id, number, entry_type, delta_credits, balance_after, type_number, type_credits_after, reference_type,
  reference_id, model_id, description, created_at)
SELECT p.id, b.n * %(per_day)s + k + 1, CASE WHEN k = 0 THEN 'purchase' ELSE 'usage' END, CASE WHEN k = 0 THEN 100 ELSE -1 END, 1000,
       CASE WHEN k = 0 THEN b.n + 1 ELSE b.n * (%(per_day)s - 1) + k END, 0, 'image_generation', 'job-' || k, 'flux-pro', 'Image generation',
       %(now)s - interval '175 days' + d * interval '1 day' + k * interval '1 minute'
FROM generate_series(0, 175) d CROSS JOIN LATERAL (SELECT d / 22 AS n) b CROSS JOIN generate_series(0, %(per_day)s - 1) k
JOIN person p ON p.shift = d %% 22;
INSERT INTO credits_entrytotal (account_id, entry_type, entries, credits)
SELECT account_id, entry_type, count(*), sum(delta_credits) FROM credits_entry GROUP BY 1, 2;
INSERT INTO credits_usageday (account_id, day_date, operation, model_id, captures, credits)
SELECT p.id, (%(now)s - interval '175 days' + d * interval '1 day')::date, (ARRAY['image_generation','video_generation'])[1 + d %% 2], 'flux-pro',
       %(per_day)s - 1, %(per_day)s - 1 FROM generate_series(0, 175) d JOIN person p ON p.shift = d %% 22;

INSERT INTO billing_customer (id, user_id, created_at, state_version) SELECT 'cus_bench' || a, id, %(now)s - interval '180 days', 0 FROM person;
INSERT INTO billing_purchase (id, user_id, state, session_id, session_url, request_hash, success_url, cancel_url, created_at, review_reason,
  package_id, credits, bonus_credits, price_cents, currency, payment_intent_id, paid_cents, fulfilled_at)
SELECT md5('purchase' || a || '-' || n)::uuid, id, CASE WHEN is_rare THEN 'failed' ELSE 'fulfilled' END, 'cs_bench' || a || '-' || n, '', repeat('0', 64), '', '',
       %(now)s - interval '175 days' + (n * 22 + shift) * interval '1 day', '', 'basic', 100, 5, 900, 'usd', 'pi_bench' || a || '-' || n,
       CASE WHEN NOT is_rare THEN 900 END,
       CASE WHEN NOT is_rare THEN %(now)s - interval '175 days' + (n * 22 + shift) * interval '1 day' END
FROM generate_series(0, 7) n CROSS JOIN person CROSS JOIN LATERAL (SELECT n = 3 AND a %% 1000 = 5 AS is_rare) r;
INSERT INTO billing_subscriptioncheckout (id, user_id, state, session_id, session_url, request_hash, success_url, cancel_url, created_at,
  review_reason, plan, "interval", price_id, subscription_id)
SELECT md5('checkout' || a)::uuid, id, CASE WHEN a %% 1000 = 6 THEN 'failed' ELSE 'fulfilled' END, 'cs_benchplan' || a, '', repeat('0', 64), '', '',
       %(now)s - (a %% 170) * interval '1 day', '', 'pro', CASE WHEN a %% 9 = 0 THEN 'yearly' ELSE 'monthly' END, 'price_1', 'sub_bench' || a FROM person;
INSERT INTO billing_subscription (id, customer_id, user_id, plan, "interval", price_id, item_id, status, anchor_at, current_period_start,
  current_period_end, paid_until, cancel_at_period_end, schedule_id, pending_plan, pending_interval, is_surplus, created_at)
SELECT 'sub_bench' || a, 'cus_bench' || a, id, CASE WHEN a %% 30 = 0 THEN 'enterprise' ELSE 'pro' END, CASE WHEN a %% 9 = 0 THEN 'yearly' ELSE 'monthly' END,
       'price_1', 'si_1', CASE WHEN a %% 999 = 0 THEN 'past_due' ELSE 'active' END, %(now)s - interval '170 days', %(now)s - interval '10 days', %(now)s + interval '20 days',
       %(now)s + interval '20 days', false, '', '', '', false,
       %(now)s - interval '170 days' + a * interval '1 minute' FROM person WHERE a %% 3 = 0;
INSERT INTO billing_paidinvoice (id, subscription_id, billing_reason, paid_cents, currency, upgraded_from, upgraded_to, upgrade_credits,
  allowance_credits, paid_at, is_returned)
SELECT 'in_bench' || a || '-' || n, 'sub_bench' || a, CASE WHEN n = 3 AND a %% 999 = 0 THEN 'manual' ELSE 'subscription_cycle' END, 2900, 'usd', '', '', 0, 500,
       %(now)s - interval '170 days' + n * interval '28 days', false FROM person CROSS JOIN generate_series(0, 5) n WHERE a %% 3 = 0;
INSERT INTO billing_refund (id, user_id, purchase_id, payment_intent_id, amount_cents, currency, created_at, refund_id, status, keep_credits, reason, actor)
SELECT md5('refund' || a)::uuid, id, md5('purchase' || a || '-0')::uuid, 'pi_bench' || a || '-0', 450, 'usd',
       %(now)s - (a %% 170) * interval '1 day', 're_bench' || a, CASE WHEN a %% 1000 = 0 THEN 'failed' ELSE 'succeeded' END, false, '', '' FROM person WHERE a %% 50 = 0;
INSERT INTO djstripe_webhookeventtrigger (remote_ip, headers, body, valid, processed, exception, traceback, djstripe_version, created, updated)
SELECT '127.0.0.1', '{}', '{}', true, a %% 1000 <> 7, CASE WHEN a %% 1000 = 7 THEN 'It broke.' ELSE '' END, '', 'bench', %(now)s, %(now)s FROM person;
INSERT INTO billing_webhook (trigger_id, event_id, event_type, object_id, customer_id, user_id, job_id, received_at, processed_at, ignored_at, changes)
SELECT t.id, 'evt_bench' || p.a, CASE WHEN p.a %% 1000 = 8 THEN 'charge.dispute.closed' ELSE 'invoice.paid' END, '', 'cus_bench' || p.a, p.id,
       CASE WHEN p.a %% 1000 <> 9 THEN 1 END, %(now)s, CASE WHEN p.a %% 1000 NOT IN (10, 11) THEN %(now)s END,
       CASE WHEN p.a %% 1000 = 11 THEN %(now)s END, '[]'
FROM (SELECT id, row_number() OVER (ORDER BY id) AS a FROM djstripe_webhookeventtrigger) t JOIN person p USING (a);
INSERT INTO users_staffaction (actor_id, action, whom_id, reference_type, reference_id, reason, note, before, after, created_at)
SELECT (SELECT id FROM person WHERE a = 1), CASE WHEN a %% 1000 = 0 THEN 'erase' ELSE 'adjust_credits' END, id, '', '',
       CASE WHEN a %% 1000 = 0 THEN 'legal' ELSE 'goodwill' END, 'Ticket ' || a, '{}', '{}', %(now)s - (a %% 170) * interval '1 day' FROM person;
INSERT INTO users_sentmail (user_id, template, cause, sent_at)
SELECT id, 'plan_paid', 'in_bench' || a, %(now)s - (a %% 170) * interval '1 day' FROM person;
DROP TABLE person;
