-- name: role_exists
-- Why: CREATE ROLE has no IF NOT EXISTS.
SELECT true FROM pg_catalog.pg_roles WHERE rolname = %(name)s;

-- name: create_owner
-- Why: migrations run as a role that owns the database but is no superuser.
CREATE ROLE ledgersafe_owner;

-- name: create_app
-- Why: the application's role may only do what migrations grant to it.
CREATE ROLE ledgersafe_app;

-- name: bound_owner
-- Why: said at every start, so that neither an older release nor a hand leaves it with more; the password is a SCRAM verifier.
ALTER ROLE ledgersafe_owner WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS PASSWORD %(verifier)s;

-- name: bound_app
-- Why: as for the owner.
ALTER ROLE ledgersafe_app WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS PASSWORD %(verifier)s;

-- name: database_exists
-- Why: CREATE DATABASE has no IF NOT EXISTS.
SELECT true FROM pg_catalog.pg_database WHERE datname = 'ledgersafe';

-- name: create_database
-- Why: a database of our own keeps the superuser's apart.
CREATE DATABASE ledgersafe OWNER ledgersafe_owner;

-- name: close_databases
-- Why: by default everybody may connect and make temporary tables.
REVOKE ALL ON DATABASE ledgersafe, postgres, template1 FROM PUBLIC;

-- name: admit_app
-- Why: the owner has every right on its database, the application only that one.
GRANT CONNECT ON DATABASE ledgersafe TO ledgersafe_app;

-- name: close_public_schema
-- Why: nobody puts a table where another role's search path finds it.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
