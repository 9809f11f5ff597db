-- The role that the application acts as, and one schema a stage.
-- Rights are given table by table where the table is made: what is not granted cannot be done.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'ledgersafe_app') THEN
    CREATE ROLE ledgersafe_app NOLOGIN;
  END IF;
  -- A single login that owns the schema acts as the application by SET ROLE, so that its rights are left at the door.
  IF current_user <> 'ledgersafe_app' AND NOT pg_catalog.pg_has_role(current_user, 'ledgersafe_app', 'SET') THEN
    BEGIN
      EXECUTE pg_catalog.format('GRANT ledgersafe_app TO %I WITH INHERIT FALSE, SET TRUE', current_user);
    EXCEPTION WHEN insufficient_privilege THEN
      NULL;  -- two logins, as in the embedded default: the application's own login needs no SET ROLE
    END;
  END IF;
END
$$;

CREATE SCHEMA tenants;
CREATE SCHEMA bronze;
CREATE SCHEMA gate;
CREATE SCHEMA quarantine;
CREATE SCHEMA audit;
CREATE SCHEMA jobs;

GRANT USAGE ON SCHEMA tenants, bronze, gate, quarantine, audit, jobs TO ledgersafe_app;
