-- Rows of a file are put into a temporary table before they are merged into their dataset's. Everybody may make one by
-- default, but not where that right was taken from PUBLIC, as in the embedded Postgres.

DO $$
BEGIN
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO ledgersafe_app', current_database());
END
$$;
