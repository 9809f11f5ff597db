-- Which keys were seen, and what became of them. Unpartitioned: an idempotency key is remembered forever.

CREATE TABLE gate.keys (
  tenant_id text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  raw_id uuid NOT NULL,
  fingerprint bytea NOT NULL,
  status text NOT NULL CHECK (status IN ('processed', 'quarantined', 'ignored')),
  decision text NOT NULL CHECK (decision IN ('accepted', 'patched-accepted', 'superseded', 'ignored', 'open')),
  arrivals bigint NOT NULL DEFAULT 1 CHECK (arrivals > 0),
  first_seen_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, idempotency_key)
) WITH (fillfactor = 90);
COMMENT ON TABLE gate.keys IS 'One row a key, with its first payload: nearly every key has no other, so this saves a row and an index entry an event.';

CREATE TABLE gate.other_payloads (
  tenant_id text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  fingerprint bytea NOT NULL,
  raw_id uuid NOT NULL,
  decision text NOT NULL CHECK (decision IN ('accepted', 'patched-accepted', 'superseded', 'ignored', 'open')),
  PRIMARY KEY (tenant_id, idempotency_key, fingerprint)
);
COMMENT ON TABLE gate.other_payloads IS 'Every further distinct payload of a key.';

CREATE VIEW gate.payloads AS
SELECT tenant_id, idempotency_key, fingerprint, raw_id, decision FROM gate.keys
UNION ALL
SELECT tenant_id, idempotency_key, fingerprint, raw_id, decision FROM gate.other_payloads;
COMMENT ON VIEW gate.payloads IS 'Every distinct payload of every key, the arrival that brought it first, and what was decided of it.';

CREATE TABLE gate.later_arrivals (
  tenant_id text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  raw_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, idempotency_key, raw_id)
);
COMMENT ON TABLE gate.later_arrivals IS 'Every arrival of a key after its first: a trace finds all of them, and bronze needs no further index.';

CREATE TABLE gate.source_events (
  tenant_id text COLLATE "C" NOT NULL,
  source_system text COLLATE "C" NOT NULL,
  source_event_id text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, source_system, source_event_id)
);
COMMENT ON TABLE gate.source_events IS 'Which accepted key carries a source''s own event id: it may be accepted once only.';

CREATE TABLE gate.to_post (
  tenant_id text COLLATE "C" NOT NULL,
  raw_id uuid NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, raw_id)
);
COMMENT ON TABLE gate.to_post IS 'Accepted and not posted yet: the work list of promote, which deletes what it has posted.';

CREATE TABLE gate.counters (
  tenant_id text COLLATE "C" NOT NULL,
  slot smallint NOT NULL,
  events_raw bigint NOT NULL,
  processed bigint NOT NULL,
  quarantined bigint NOT NULL,
  ignored bigint NOT NULL,
  exceptions_open bigint NOT NULL,
  PRIMARY KEY (tenant_id, slot)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE gate.counters IS 'Sums kept in the transaction that changes them; a slot is a writer, so that processes do not queue behind one row. A single slot may be negative.';

GRANT SELECT, INSERT, UPDATE ON gate.keys, gate.other_payloads, gate.counters TO ledgersafe_app;
GRANT SELECT, INSERT ON gate.later_arrivals TO ledgersafe_app;
GRANT SELECT, INSERT, DELETE ON gate.source_events, gate.to_post TO ledgersafe_app;
GRANT SELECT ON gate.payloads TO ledgersafe_app;
