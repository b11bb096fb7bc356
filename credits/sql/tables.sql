-- What Django's models cannot say: room for HOT updates, and the triggers that keep the ledger append-only.
ALTER TABLE credits_account SET (fillfactor = 50);
ALTER TABLE credits_grant SET (fillfactor = 70);
ALTER TABLE credits_usageday SET (fillfactor = 70);
ALTER TABLE credits_entrytotal SET (fillfactor = 70);

CREATE OR REPLACE TRIGGER credits_append_only BEFORE UPDATE OR DELETE ON credits_entry FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_delete BEFORE DELETE ON credits_account FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_delete BEFORE DELETE ON credits_grant FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_delete BEFORE DELETE ON credits_hold FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_entry FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_account FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_grant FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_hold FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();

-- A key's record that was gone would let a call be made twice, and a counter that was gone would be begun anew: they stay as well.
CREATE OR REPLACE TRIGGER credits_append_only BEFORE UPDATE OR DELETE ON credits_keyrecord FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_delete BEFORE DELETE ON credits_entrytotal FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_delete BEFORE DELETE ON credits_usageday FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_delete BEFORE DELETE ON credits_freeallowanceaddress FOR EACH ROW EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_keyrecord FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_entrytotal FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_usageday FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
CREATE OR REPLACE TRIGGER credits_no_truncate BEFORE TRUNCATE ON credits_freeallowanceaddress FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse_change();
