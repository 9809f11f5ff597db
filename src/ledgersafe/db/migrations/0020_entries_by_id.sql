-- An index that begins with the tenant looks as good as one with the whole key while statistics know of small tenants
-- only, and then every look-up reads all of a tenant's entries. This one begins with what tells entries apart.
ALTER TABLE ledger.entries DROP CONSTRAINT entries_pkey;
ALTER TABLE ledger.entries ADD CONSTRAINT entries_pkey PRIMARY KEY (entry_id, tenant_id);
