-- What was captured since a moment, less what was refunded of it: read from the entries, for when the period itself changes.
CREATE OR REPLACE FUNCTION credits_used_since(p_account uuid, p_since timestamptz) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(h.captured - h.refunded), 0)
    FROM credits_entry e JOIN credits_hold h ON h.account_id = e.account_id AND h.number = e.hold_number
   WHERE e.account_id = p_account AND e.entry_type = 'usage' AND e.created_at >= p_since
     AND e.number > credits_find_entry(p_account, p_since)
$$;
