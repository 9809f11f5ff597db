-- Seals: per tenant a chain of Merkle roots over whole committed batches, of arrivals and of audit rows. Insert-only.

CREATE TABLE audit.batches (
  tenant_id text COLLATE "C" NOT NULL,
  batch_id uuid NOT NULL,
  ids uuid[] NOT NULL,
  PRIMARY KEY (tenant_id, batch_id)
);
COMMENT ON TABLE audit.batches IS 'Which audit rows one statement wrote: seals claim whole batches, as with bronze.batches.';
COMMENT ON COLUMN audit.batches.batch_id IS 'The first of its audit rows.';
COMMENT ON COLUMN audit.batches.ids IS 'The audit_id of each row in it.';

-- What was on record before there were batches becomes batches of a thousand.
INSERT INTO audit.batches (tenant_id, batch_id, ids)
SELECT tenant_id, (array_agg(audit_id ORDER BY audit_id))[1], array_agg(audit_id ORDER BY audit_id)
FROM (
  SELECT tenant_id, audit_id, (row_number() OVER (PARTITION BY tenant_id ORDER BY audit_id) - 1) / 1000 AS part
  FROM audit.audit_log) AS before
GROUP BY tenant_id, part;

CREATE TABLE audit.seals (
  tenant_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('arrivals', 'audit')),
  number bigint NOT NULL CHECK (number > 0),
  seal_id uuid NOT NULL,
  format smallint NOT NULL,
  previous_hash bytea NOT NULL CHECK (octet_length(previous_hash) = 32),
  merkle_root bytea NOT NULL CHECK (octet_length(merkle_root) = 32),
  batches_hash bytea NOT NULL CHECK (octet_length(batches_hash) = 32),
  rows bigint NOT NULL CHECK (rows >= 0),
  batches bigint NOT NULL CHECK (batches > 0),
  sealed_at timestamptz NOT NULL,
  swept_until timestamptz,
  seal_hash bytea NOT NULL CHECK (octet_length(seal_hash) = 32),
  PRIMARY KEY (tenant_id, kind, number)
);
COMMENT ON TABLE audit.seals IS 'A chain a tenant and kind: each seal holds the hash of the one before it, so that none can be changed alone.';
COMMENT ON COLUMN audit.seals.kind IS 'Of what: arrivals (bronze.events_raw) or audit (audit.audit_log).';
COMMENT ON COLUMN audit.seals.number IS 'From 1 on, without gaps.';
COMMENT ON COLUMN audit.seals.format IS 'By which rules its hashes were made (docs/seals.md).';
COMMENT ON COLUMN audit.seals.previous_hash IS 'seal_hash of the seal before it; 32 zero bytes for the first one.';
COMMENT ON COLUMN audit.seals.merkle_root IS 'RFC 9162 tree hash over the leaf hashes of its rows, batch by batch.';
COMMENT ON COLUMN audit.seals.batches_hash IS 'SHA-256 over the id and the number of rows of each of its batches.';
COMMENT ON COLUMN audit.seals.rows IS 'How many rows it covers.';
COMMENT ON COLUMN audit.seals.batches IS 'How many batches.';
COMMENT ON COLUMN audit.seals.sealed_at IS 'When it was made, by the worker''s clock.';
COMMENT ON COLUMN audit.seals.swept_until IS 'Every row of before this time had been sealed by then; NULL: not known. A row of before it in a later seal was put in afterwards.';
COMMENT ON COLUMN audit.seals.seal_hash IS 'SHA-256 of the canonical JSON of all of the above.';

CREATE TABLE audit.sealed_batches (
  tenant_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('arrivals', 'audit')),
  batch_id uuid NOT NULL,
  part integer NOT NULL CHECK (part >= 0),
  number bigint NOT NULL,
  row_ids uuid[] NOT NULL,
  leaf_hashes bytea STORAGE EXTERNAL NOT NULL,
  header_hashes text[],
  PRIMARY KEY (tenant_id, kind, batch_id, part),
  CHECK (octet_length(leaf_hashes) = 32 * cardinality(row_ids)),
  CHECK (header_hashes IS NULL OR cardinality(header_hashes) = cardinality(row_ids))
);
COMMENT ON TABLE audit.sealed_batches IS 'The leaves of each seal, kept, so that a row that was altered or is missing can be named. Its key is why no batch is sealed twice.';
COMMENT ON COLUMN audit.sealed_batches.batch_id IS 'A row of bronze.batches or of audit.batches.';
COMMENT ON COLUMN audit.sealed_batches.part IS 'A large batch takes several rows: 0, 1, ….';
COMMENT ON COLUMN audit.sealed_batches.number IS 'The seal that covers it.';
COMMENT ON COLUMN audit.sealed_batches.row_ids IS 'raw_id or audit_id of each row, in the order of the batch.';
COMMENT ON COLUMN audit.sealed_batches.leaf_hashes IS 'Their leaf hashes in parallel, 32 bytes each.';
COMMENT ON COLUMN audit.sealed_batches.header_hashes IS 'In parallel, SHA-256 (hex) of ce_headers where a row has them; NULL where none has. They outlive a redaction.';
CREATE INDEX sealed_batches_by_seal ON audit.sealed_batches (tenant_id, kind, number, batch_id, part);

CREATE VIEW audit.sealable AS
SELECT 'arrivals' COLLATE "C" AS kind, tenant_id, batch_id, ids FROM bronze.batches
UNION ALL
SELECT 'audit' COLLATE "C" AS kind, tenant_id, batch_id, ids FROM audit.batches;
COMMENT ON VIEW audit.sealable IS 'The batches of both kinds that seals are made of.';
COMMENT ON COLUMN audit.sealable.kind IS 'As in audit.seals.';

CREATE VIEW audit.sealable_rows AS
SELECT 'arrivals' COLLATE "C" AS kind, tenant_id, raw_id AS row_id FROM bronze.events_raw
UNION ALL
SELECT 'audit' COLLATE "C" AS kind, tenant_id, audit_id AS row_id FROM audit.audit_log;
COMMENT ON VIEW audit.sealable_rows IS 'Every row that must be in a batch.';
COMMENT ON COLUMN audit.sealable_rows.kind IS 'As in audit.seals.';

GRANT SELECT, INSERT ON audit.batches, audit.seals, audit.sealed_batches TO ledgersafe_app;
GRANT SELECT ON audit.sealable, audit.sealable_rows TO ledgersafe_app;
