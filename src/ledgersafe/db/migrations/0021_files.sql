-- Deliveries: files that were received, the contracts they are judged by, and every row that failed.

CREATE SCHEMA files;
GRANT USAGE ON SCHEMA files TO ledgersafe_app;

CREATE TABLE files.contracts (
  tenant_id text COLLATE "C" NOT NULL,
  dataset text COLLATE "C" NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  members json NOT NULL,
  put_at timestamptz NOT NULL,
  put_by text NOT NULL,
  notes text,
  PRIMARY KEY (tenant_id, dataset, version)
);
COMMENT ON TABLE files.contracts IS 'What a valid file of a dataset is, version by version; the highest is in force. Never changed.';
COMMENT ON COLUMN files.contracts.version IS '1, 2, 3 …, in the order in which they were put.';
COMMENT ON COLUMN files.contracts.members IS 'The contract, as its YAML says it.';

CREATE TABLE files.ingestions (
  tenant_id text COLLATE "C" NOT NULL,
  ingestion_id uuid NOT NULL,
  dataset text COLLATE "C" NOT NULL,
  filename text NOT NULL,
  source text,
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
  size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
  raw_path text NOT NULL,
  replay_of uuid,
  contract_version integer,
  status text NOT NULL CHECK (status IN ('received', 'processing', 'succeeded', 'quarantined', 'failed')),
  attempts integer NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL,
  leased_by uuid,
  received_at timestamptz NOT NULL,
  received_by text NOT NULL,
  started_at timestamptz,
  ended_at timestamptz,
  rows_in bigint NOT NULL DEFAULT 0,
  rows_ok bigint NOT NULL DEFAULT 0,
  rows_bad bigint NOT NULL DEFAULT 0,
  events_done bigint NOT NULL DEFAULT 0,
  outcomes json,
  reason_code text,
  detail text,
  facts json,
  quality json,
  drift json,
  lineage json,
  PRIMARY KEY (tenant_id, ingestion_id),
  FOREIGN KEY (tenant_id, dataset, contract_version) REFERENCES files.contracts,
  CHECK ((status IN ('succeeded', 'quarantined', 'failed')) = (ended_at IS NOT NULL)),
  CHECK ((status = 'processing') = (leased_by IS NOT NULL)),
  CHECK (status NOT IN ('quarantined', 'failed') OR reason_code IS NOT NULL)
);
COMMENT ON TABLE files.ingestions IS 'Deliveries: one row a file received, or a replay of one.';
COMMENT ON COLUMN files.ingestions.filename IS 'As its sender called it.';
COMMENT ON COLUMN files.ingestions.source IS 'Where it came from, in the sender''s words.';
COMMENT ON COLUMN files.ingestions.raw_path IS 'Where its bytes are in the raw zone; never written over.';
COMMENT ON COLUMN files.ingestions.replay_of IS 'The delivery whose file this one works through again; NULL: it came with a file of its own.';
COMMENT ON COLUMN files.ingestions.contract_version IS 'By which contract it was judged; NULL: not yet, or there was none.';
COMMENT ON COLUMN files.ingestions.status IS 'received: waits for a worker. processing: one has it. succeeded: what is good in it is loaded. quarantined: nothing of it is loaded until a person decides. failed: a bug or the machine stopped it, after several attempts.';
COMMENT ON COLUMN files.ingestions.due_at IS 'When a worker may take it. Who takes it sets it ahead, again and again: if he dies, it is due again then.';
COMMENT ON COLUMN files.ingestions.leased_by IS 'Which attempt has it: what another one writes is not taken.';
COMMENT ON COLUMN files.ingestions.rows_bad IS 'Rows that are in files.bad_rows, or would be had the file not been rejected.';
COMMENT ON COLUMN files.ingestions.events_done IS 'How many of its events are accepted, in the order of the file: who takes it over goes on there.';
COMMENT ON COLUMN files.ingestions.outcomes IS 'What became of its events, counted: processed, duplicate, quarantined, ignored.';
COMMENT ON COLUMN files.ingestions.facts IS 'How its bytes were read: format, encoding, delimiter.';
COMMENT ON COLUMN files.ingestions.quality IS 'The quality report: faults by rule, shares of nulls, ranges.';
COMMENT ON COLUMN files.ingestions.drift IS 'How its columns differ from the contract and from the delivery before.';
COMMENT ON COLUMN files.ingestions.lineage IS 'What was made of what, as an OpenLineage run event.';

CREATE UNIQUE INDEX the_same_bytes_once ON files.ingestions (tenant_id, dataset, sha256) WHERE replay_of IS NULL;
CREATE INDEX ingestions_to_do ON files.ingestions (due_at) WHERE status IN ('received', 'processing');
CREATE INDEX ingestions_by_dataset ON files.ingestions (dataset, tenant_id, ingestion_id);

CREATE TABLE files.bad_rows (
  tenant_id text COLLATE "C" NOT NULL,
  ingestion_id uuid NOT NULL,
  row_number bigint NOT NULL,
  group_key text,
  row_values json,
  row_text text,
  faults json NOT NULL,
  contract_version integer NOT NULL,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'replayed', 'ignored')),
  patch json,
  decided_at timestamptz,
  decided_by text,
  notes text,
  PRIMARY KEY (tenant_id, ingestion_id, row_number),
  FOREIGN KEY (tenant_id, ingestion_id) REFERENCES files.ingestions,
  CHECK ((row_values IS NULL) <> (row_text IS NULL)),
  CHECK ((status = 'open') = (decided_at IS NULL AND decided_by IS NULL))
);
COMMENT ON TABLE files.bad_rows IS 'Rows that were not loaded, each with everything that is wrong with it, until a person decides.';
COMMENT ON COLUMN files.bad_rows.row_number IS 'As people count: the header is row 1.';
COMMENT ON COLUMN files.bad_rows.group_key IS 'Of rows that become events: which group (receipt) it belongs to. One bad row holds all of its group.';
COMMENT ON COLUMN files.bad_rows.row_values IS 'Its values by column of the contract, as text, as the file has them.';
COMMENT ON COLUMN files.bad_rows.row_text IS 'Its text, where it could not be cut into values.';
COMMENT ON COLUMN files.bad_rows.faults IS 'A list of {column, rule, value, message}.';
COMMENT ON COLUMN files.bad_rows.patch IS 'What a person put in place of values, by column.';

CREATE INDEX bad_rows_by_group ON files.bad_rows (group_key, ingestion_id, tenant_id) WHERE group_key IS NOT NULL;

CREATE TABLE files.schema_history (
  tenant_id text COLLATE "C" NOT NULL,
  dataset text COLLATE "C" NOT NULL,
  schema_hash bytea NOT NULL,
  columns json NOT NULL,
  first_ingestion_id uuid NOT NULL,
  first_seen_at timestamptz NOT NULL,
  last_ingestion_id uuid NOT NULL,
  last_seen_at timestamptz NOT NULL,
  deliveries bigint NOT NULL,
  PRIMARY KEY (tenant_id, dataset, schema_hash)
);
COMMENT ON TABLE files.schema_history IS 'Which columns the files of a dataset had, and since when; the order of columns does not matter.';
COMMENT ON COLUMN files.schema_history.columns IS 'The columns as {name: type}, in the order of the first file that had them; the type is what its values looked like.';
COMMENT ON COLUMN files.schema_history.deliveries IS 'How many files had them.';

GRANT SELECT, INSERT ON files.contracts TO ledgersafe_app;
GRANT SELECT, INSERT, UPDATE ON files.ingestions, files.bad_rows, files.schema_history TO ledgersafe_app;

-- The one door through which the application makes tables: of one name pattern, and of these types only.
CREATE FUNCTION files.ensure_curated(dataset text, column_names text[], column_types text[], keys text[]) RETURNS text
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
      '_loaded_at timestamptz NOT NULL, _source_sha256 bytea NOT NULL, _row_number bigint NOT NULL, PRIMARY KEY (tenant_id, %s))',
      name,
      (SELECT string_agg(format('%I %s%s', own, kind, CASE WHEN own = ANY (keys) AND kind = 'text' THEN ' COLLATE "C"' ELSE '' END), ', ' ORDER BY nr)
       FROM unnest(column_names, column_types) WITH ORDINALITY AS c (own, kind, nr)),
      (SELECT string_agg(format('%I', own), ', ' ORDER BY nr) FROM unnest(own_keys) WITH ORDINALITY AS k (own, nr)));
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON files.%I TO ledgersafe_app', name);
    EXECUTE format('COMMENT ON TABLE files.%I IS %L', name, 'Rows of dataset ' || dataset || ', of all tenants; where each came from stands in its last columns.');
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
COMMENT ON FUNCTION files.ensure_curated IS 'Makes the table of a dataset, or adds the columns that it lacks. Returns what stands against it, or NULL.';
REVOKE ALL ON FUNCTION files.ensure_curated FROM PUBLIC;
GRANT EXECUTE ON FUNCTION files.ensure_curated TO ledgersafe_app;
