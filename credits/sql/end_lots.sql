-- Let the subscription lots whose source begins with p_prefix, and what gave back of them, end at p_end: those of them that would end
-- later but not after p_latest.
CREATE OR REPLACE FUNCTION credits_end_lots(p_account uuid, p_prefix text, p_end timestamptz, p_latest timestamptz, p_now timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM credits_lock_account(p_account, p_now);
  UPDATE credits_grant g SET expires_at = p_end, own_end_at = least(g.own_end_at, CASE WHEN g.own_end_at IS NOT NULL THEN p_end END)
   WHERE g.account_id = p_account AND g.kind = 'subscription'
     AND (starts_with(g.source, p_prefix) OR EXISTS (
       SELECT FROM credits_grant o WHERE o.account_id = p_account AND o.number = g.returns_grant AND starts_with(o.source, p_prefix)))
     AND g.expires_at > p_end AND g.expires_at <= coalesce(p_latest, g.expires_at);
  UPDATE credits_account a SET next_due_at = p_end WHERE a.account_id = p_account AND a.next_due_at > p_end;
  PERFORM credits_settle_due(p_account, p_now);
END $$;
