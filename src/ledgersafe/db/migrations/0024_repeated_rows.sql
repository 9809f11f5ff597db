-- A later file marks every row of it, also those that it only repeats: what was received in between must not replace them.
-- A page that is half empty takes the marked rows beside the old ones: no index is touched, the log holds little, and the
-- table stays as large as it is. Without a key no file repeats another's rows.

CREATE OR REPLACE FUNCTION files.ensure_curated(dataset text, column_names text[], column_types text[], keys text[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text := 'curated_' || dataset;
  lineage CONSTANT text[] := ARRAY['_ingestion_id', '_loaded_at', '_source_sha256', '_row_number'];
  own_keys text[] := CASE WHEN cardinality(keys) = 0 THEN ARRAY['_ingestion_id', '_row_number'] ELSE keys END;
  there oid;
  was text;
  known_keys text[];
  at integer;
BEGIN
  IF dataset !~ '^[a-z][a-z0-9_]{0,39}$' OR cardinality(column_names) <> cardinality(column_types)
     OR cardinality(column_names) NOT BETWEEN 1 AND 1500 OR NOT keys <@ column_names
     OR column_names && (lineage || ARRAY['tenant_id']::text[]) OR EXISTS (
       SELECT FROM unnest(column_names, column_types) AS c (own, kind)
       WHERE own !~ '^[^[:cntrl:]]{1,63}$' OR octet_length(own) > 63
         OR kind !~ '^(text|bigint|numeric|numeric\([0-9]{1,3},[0-9]{1,3}\)|boolean|date|timestamp with time zone)$')
  THEN
    RAISE EXCEPTION 'no table can be made for dataset % with these columns', dataset USING ERRCODE = 'invalid_table_definition';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('files.' || name));
  there := to_regclass(format('files.%I', name));
  IF there IS NULL THEN
    EXECUTE format('CREATE TABLE files.%I (tenant_id text COLLATE "C" NOT NULL, %s, _ingestion_id uuid NOT NULL, '
      '_loaded_at timestamptz NOT NULL, _source_sha256 bytea NOT NULL, _row_number bigint NOT NULL, PRIMARY KEY (tenant_id, %s)) WITH (fillfactor = %s)',
      name,
      (SELECT string_agg(format('%I %s%s', own, kind, CASE WHEN own = ANY (keys) AND kind = 'text' THEN ' COLLATE "C"' ELSE '' END), ', ' ORDER BY nr)
       FROM unnest(column_names, column_types) WITH ORDINALITY AS c (own, kind, nr)),
      (SELECT string_agg(format('%I', own), ', ' ORDER BY nr) FROM unnest(own_keys) WITH ORDINALITY AS k (own, nr)),
      CASE WHEN cardinality(keys) = 0 THEN 100 ELSE 50 END);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON files.%I TO ledgersafe_app', name);
    EXECUTE format('COMMENT ON TABLE files.%I IS %L', name, 'Rows of dataset ' || dataset || ', of all tenants. Which file said each last, and in which row, stands in its last columns; _loaded_at: since when it says so.');
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
      EXECUTE format('SELECT create_distributed_table(%L, %L)', format('files.%I', name), 'tenant_id');
    END IF;
    RETURN NULL;
  END IF;
  SELECT array_agg(a.attname::text ORDER BY k.nr) INTO known_keys
  FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, nr)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
  WHERE i.indrelid = there AND i.indisprimary;
  IF known_keys <> ARRAY['tenant_id']::text[] || own_keys THEN
    RETURN format('its rows are told apart by %s, not by %s', array_to_string(known_keys[2:], ', '), array_to_string(own_keys, ', '));
  END IF;
  FOR at IN 1 .. cardinality(column_names) LOOP
    SELECT format_type(a.atttypid, a.atttypmod) INTO was
    FROM pg_attribute a WHERE a.attrelid = there AND a.attname = column_names[at] AND NOT a.attisdropped;
    IF was IS NULL THEN
      EXECUTE format('ALTER TABLE files.%I ADD COLUMN %I %s', name, column_names[at], column_types[at]);
    ELSIF was <> column_types[at] THEN
      RETURN format('column %s is of type %s there, not %s', column_names[at], was, column_types[at]);
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;

DO $$
DECLARE
  name text;
BEGIN
  FOR name IN
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'files' AND c.relkind = 'r' AND c.relname LIKE 'curated\_%'
      AND NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::smallint[])
        WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname = '_ingestion_id')
  LOOP
    EXECUTE format('ALTER TABLE files.%I SET (fillfactor = 50)', name);
  END LOOP;
END
$$;

-- What a delivery counts is its report, and stays as it was; what became of its bad rows since stands with each of them.
COMMENT ON COLUMN files.ingestions.rows_ok IS 'Rows that were loaded when it ended. Bad ones that were put right since are not among them.';
COMMENT ON COLUMN files.ingestions.rows_bad IS 'Rows that were bad when it ended: they are in files.bad_rows, or would be had the file not been rejected.';
COMMENT ON COLUMN files.ingestions.quality IS 'The quality report: faults by rule, shares of nulls, ranges; of a table, how many good rows were inserted, replaced what was there, said what was there already, or were older.';
COMMENT ON COLUMN files.bad_rows.status IS 'open: nobody has decided yet. replayed: put right, and loaded. ignored: left out for good.';
