-- What Django's models cannot say: room for HOT updates, and the triggers that keep the ledger append-only.
ALTER TABLE credits_account SET (fillfactor = 50);
ALTER TABLE credits_grant SET (fillfactor = 70);
ALTER TABLE credits_hold SET (fillfactor = 85);
ALTER TABLE credits_usageday SET (fillfactor = 70);
ALTER TABLE credits_entrytotal SET (fillfactor = 70);

CREATE TRIGGER credits_append_only BEFORE UPDATE OR DELETE ON credits_entry FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE TRIGGER credits_no_delete BEFORE DELETE ON credits_account FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE TRIGGER credits_no_delete BEFORE DELETE ON credits_grant FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE TRIGGER credits_no_delete BEFORE DELETE ON credits_hold FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_entry FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
CREATE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_account FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
CREATE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_grant FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
CREATE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_hold FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
