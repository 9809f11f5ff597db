-- Parked events, each with a reason, waiting for a person. One open exception a key.

CREATE TABLE quarantine.exceptions (
  tenant_id text COLLATE "C" NOT NULL,
  exception_id uuid NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'resolved')),
  reason_code text NOT NULL,
  details_json jsonb NOT NULL,
  raw_id uuid NOT NULL,
  last_raw_id uuid NOT NULL,
  arrivals bigint NOT NULL DEFAULT 1,
  store_id text,
  source_system text,
  event_type text,
  amount numeric(21, 6),
  currency text,
  created_at timestamptz NOT NULL,
  last_arrival_at timestamptz NOT NULL,
  assigned_to text,
  replay_attempts integer NOT NULL DEFAULT 0,
  last_replay_at timestamptz,
  last_replay_status text CHECK (last_replay_status IN ('accepted', 'refused')),
  resolved_at timestamptz,
  resolution text CHECK (resolution IN ('replayed', 'ignored', 'dismissed')),
  resolution_action text CHECK (resolution_action IN ('mark_resolved_no_replay', 'override_and_replay')),
  resolution_notes text,
  resolution_actor text,
  canonical_raw_id uuid,
  override_patch json,
  books_date date,
  PRIMARY KEY (tenant_id, exception_id),
  CONSTRAINT resolved_means_decided CHECK (
    (status = 'open') = (resolution IS NULL)
    AND (status = 'open') = (resolved_at IS NULL)
    AND (status = 'open') = (resolution_actor IS NULL))
) WITH (fillfactor = 90);
COMMENT ON TABLE quarantine.exceptions IS 'Events that wait for a person, and what was decided of them. At most one open a key; closed ones stay.';
COMMENT ON COLUMN quarantine.exceptions.idempotency_key IS 'The event_id whose payload waits.';
COMMENT ON COLUMN quarantine.exceptions.reason_code IS 'The first fault found of the arrival that opened it; all are in details_json.';
COMMENT ON COLUMN quarantine.exceptions.raw_id IS 'The arrival that opened it.';
COMMENT ON COLUMN quarantine.exceptions.last_raw_id IS 'The arrival that brought the latest payload which waits for a decision here.';
COMMENT ON COLUMN quarantine.exceptions.details_json IS 'Every fault found, as [{reason_code, path, message}].';
COMMENT ON COLUMN quarantine.exceptions.arrivals IS 'How many arrivals it has taken in: the one that opened it, and those that joined.';
COMMENT ON COLUMN quarantine.exceptions.amount IS 'The total of the arrival that opened it: what is at stake.';
COMMENT ON COLUMN quarantine.exceptions.currency IS 'Of the amount.';
COMMENT ON COLUMN quarantine.exceptions.created_at IS 'When it was opened: the queue is worked oldest first.';
COMMENT ON COLUMN quarantine.exceptions.last_arrival_at IS 'When something last joined it, retries included.';
COMMENT ON COLUMN quarantine.exceptions.assigned_to IS 'Whose it is to look at, as typed; NULL: nobody''s.';
COMMENT ON COLUMN quarantine.exceptions.replay_attempts IS 'How often a payload was tried, refused and accepted; the loop guard of bulk runs counts it.';
COMMENT ON COLUMN quarantine.exceptions.last_replay_status IS 'How the last try ended.';
COMMENT ON COLUMN quarantine.exceptions.resolution_action IS 'What the operator asked for; resolution says what became of it.';
COMMENT ON COLUMN quarantine.exceptions.resolution_notes IS 'Why, in the operator''s words.';
COMMENT ON COLUMN quarantine.exceptions.resolution_actor IS 'Who decided: always the credential''s, as in the audit log.';
COMMENT ON COLUMN quarantine.exceptions.books_date IS 'The open day that it is to be booked on; NULL: its own.';
COMMENT ON COLUMN quarantine.exceptions.resolution IS
  'replayed: a payload was chosen and accepted. ignored: nothing of the key counts. dismissed: the accepted payload stays, the others do not count.';
COMMENT ON COLUMN quarantine.exceptions.canonical_raw_id IS 'The arrival whose payload was chosen.';
COMMENT ON COLUMN quarantine.exceptions.override_patch IS
  'The merge patch (RFC 7396) over the chosen payload: what is posted is the two together. Of several decisions on one payload the latest counts.';

CREATE UNIQUE INDEX one_open_exception_a_key ON quarantine.exceptions (tenant_id, idempotency_key) WHERE status = 'open';
CREATE INDEX exceptions_of_a_key ON quarantine.exceptions (tenant_id, idempotency_key);
CREATE INDEX exceptions_by_age ON quarantine.exceptions (tenant_id, status, created_at, exception_id);
CREATE INDEX exceptions_by_choice ON quarantine.exceptions (tenant_id, canonical_raw_id) WHERE canonical_raw_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE ON quarantine.exceptions TO ledgersafe_app;
