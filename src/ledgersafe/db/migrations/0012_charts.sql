-- A chart of accounts may be replaced. What was posted to stays on record, so that every entry's accounts are known.

ALTER TABLE ledger.accounts ADD COLUMN retired_at timestamptz;
ALTER TABLE ledger.accounts DROP CONSTRAINT accounts_tenant_id_role_key;
CREATE UNIQUE INDEX accounts_in_use ON ledger.accounts (tenant_id, role) WHERE retired_at IS NULL;
COMMENT ON TABLE ledger.accounts IS 'A tenant''s accounts: those in use are its chart, which says which account plays which role in postings.';
COMMENT ON COLUMN ledger.accounts.role IS 'What posting rules call it. Of the accounts in use, one a role; what was posted to keeps its role for good.';
COMMENT ON COLUMN ledger.accounts.retired_at IS 'Since when nothing new is posted to it (reversals of what was posted go where it went); NULL: in use.';
