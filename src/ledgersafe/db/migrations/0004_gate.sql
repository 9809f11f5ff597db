-- Which keys were seen, and what became of them. Unpartitioned: an idempotency key is remembered forever.

CREATE TABLE gate.events_processed (
  tenant_id text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  status text NOT NULL CHECK (status IN ('processed', 'quarantined', 'ignored')),
  arrivals bigint NOT NULL DEFAULT 1 CHECK (arrivals > 0),
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  first_raw_id uuid NOT NULL,
  last_raw_id uuid NOT NULL,
  payload_hash_first bytea NOT NULL,
  payload_hash_last bytea NOT NULL,
  first_decision text NOT NULL
    CHECK (first_decision IN ('accepted', 'patched-accepted', 'superseded', 'ignored', 'open')),
  processed_at timestamptz,
  posted_at timestamptz,
  last_error_code text,
  last_exception_id uuid,
  PRIMARY KEY (tenant_id, idempotency_key)
) WITH (fillfactor = 90);
COMMENT ON TABLE gate.events_processed IS 'One row a key: what became of it, and its first payload. Nearly every key has no other, so this saves a row and an index entry an event.';
COMMENT ON COLUMN gate.events_processed.idempotency_key IS 'The event_id: the business identity of an event within its tenant, remembered forever.';
COMMENT ON COLUMN gate.events_processed.status IS 'processed: a payload counts and nothing is undecided. quarantined: a payload waits for a decision (an accepted one still counts). ignored: nothing of it ever counts.';
COMMENT ON COLUMN gate.events_processed.arrivals IS 'How often it arrived, retries included: the sum over all keys is the number of rows of bronze.events_raw.';
COMMENT ON COLUMN gate.events_processed.first_seen_at IS 'When its first arrival was received.';
COMMENT ON COLUMN gate.events_processed.last_seen_at IS 'When its latest arrival was received, retries included.';
COMMENT ON COLUMN gate.events_processed.first_raw_id IS 'Its first arrival, which brought the first payload.';
COMMENT ON COLUMN gate.events_processed.last_raw_id IS 'Its latest arrival, of whatever payload.';
COMMENT ON COLUMN gate.events_processed.payload_hash_first IS 'The fingerprint of its first payload.';
COMMENT ON COLUMN gate.events_processed.payload_hash_last IS 'The fingerprint of its latest arrival; another than the first is a conflict or was one.';
COMMENT ON COLUMN gate.events_processed.first_decision IS 'What was decided of the first payload; of further ones: gate.payloads.';
COMMENT ON COLUMN gate.events_processed.processed_at IS 'When a payload of it was last accepted.';
COMMENT ON COLUMN gate.events_processed.posted_at IS 'When it was posted to the ledger; NULL while that is to come.';
COMMENT ON COLUMN gate.events_processed.last_error_code IS 'The reason of its latest exception.';
COMMENT ON COLUMN gate.events_processed.last_exception_id IS 'Its latest exception: the open one, while the key is quarantined.';

CREATE TABLE gate.other_payloads (
  tenant_id text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  fingerprint bytea NOT NULL,
  raw_id uuid NOT NULL,
  decision text NOT NULL CHECK (decision IN ('accepted', 'patched-accepted', 'superseded', 'ignored', 'open')),
  PRIMARY KEY (tenant_id, idempotency_key, fingerprint)
);
COMMENT ON TABLE gate.other_payloads IS 'Every further distinct payload of a key.';
COMMENT ON COLUMN gate.other_payloads.fingerprint IS 'SHA-256 of the canonical JSON of the event.';
COMMENT ON COLUMN gate.other_payloads.raw_id IS 'The arrival that brought it first.';
COMMENT ON COLUMN gate.other_payloads.decision IS 'open: waits for an operator. accepted, patched-accepted: the one that counts, as it came or with a patch. superseded: another counts. ignored: nothing of the key counts.';

CREATE VIEW gate.payloads AS
SELECT tenant_id, idempotency_key, payload_hash_first AS fingerprint, first_raw_id AS raw_id, first_decision AS decision
FROM gate.events_processed
UNION ALL
SELECT tenant_id, idempotency_key, fingerprint, raw_id, decision FROM gate.other_payloads;
COMMENT ON VIEW gate.payloads IS 'Every distinct payload of every key, the arrival that brought it first, and what was decided of it.';
COMMENT ON COLUMN gate.payloads.decision IS 'As in gate.other_payloads.';

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
COMMENT ON COLUMN gate.source_events.source_event_id IS 'The id that the source gave the event.';
COMMENT ON COLUMN gate.source_events.idempotency_key IS 'The accepted event_id that carries it.';

CREATE TABLE gate.to_post (
  tenant_id text COLLATE "C" NOT NULL,
  raw_id uuid NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, raw_id)
);
COMMENT ON TABLE gate.to_post IS 'Accepted and not posted yet: the work list of promote, which deletes what it has posted.';
COMMENT ON COLUMN gate.to_post.raw_id IS 'The arrival whose payload counts; a patch over it is in quarantine.exceptions.';

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
COMMENT ON COLUMN gate.counters.slot IS 'Which writer: a process of the API has one below 64, decisions have 64.';
COMMENT ON COLUMN gate.counters.events_raw IS 'Arrivals.';
COMMENT ON COLUMN gate.counters.processed IS 'Keys with this status; the sum over the slots counts.';
COMMENT ON COLUMN gate.counters.quarantined IS 'As processed.';
COMMENT ON COLUMN gate.counters.ignored IS 'As processed.';
COMMENT ON COLUMN gate.counters.exceptions_open IS 'Exceptions that wait for a decision.';

GRANT SELECT, INSERT, UPDATE ON gate.events_processed, gate.other_payloads, gate.counters TO ledgersafe_app;
GRANT SELECT, INSERT ON gate.later_arrivals TO ledgersafe_app;
GRANT SELECT, INSERT, DELETE ON gate.source_events, gate.to_post TO ledgersafe_app;
GRANT SELECT ON gate.payloads TO ledgersafe_app;
