-- Everything that Ledgersafe made in a database, gone: for development. `ledgersafe db reset` asks first.
DROP SCHEMA IF EXISTS tenants, bronze, gate, quarantine, silver, ledger, gold, platinum, audit, jobs, ops CASCADE;
