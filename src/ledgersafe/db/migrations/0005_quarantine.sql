-- Parked events, each with a reason, waiting for a person. One open exception a key.

CREATE TABLE quarantine.exceptions (
  tenant_id text COLLATE "C" NOT NULL,
  exception_id uuid NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'resolved', 'ignored')),
  reason_code text NOT NULL,
  details jsonb NOT NULL,
  first_raw_id uuid NOT NULL,
  last_raw_id uuid NOT NULL,
  arrivals bigint NOT NULL DEFAULT 1,
  store_id text,
  source_system text,
  event_type text,
  amount numeric(21, 6),
  currency text,
  opened_at timestamptz NOT NULL,
  last_arrival_at timestamptz NOT NULL,
  assigned_to text,
  replay_attempts integer NOT NULL DEFAULT 0,
  resolved_at timestamptz,
  PRIMARY KEY (tenant_id, exception_id)
) WITH (fillfactor = 90);
COMMENT ON COLUMN quarantine.exceptions.details IS 'Every fault found, as [{reason_code, path, message}].';
COMMENT ON COLUMN quarantine.exceptions.arrivals IS 'How many arrivals it has taken in: the one that opened it, and those that joined.';

CREATE UNIQUE INDEX one_open_exception_a_key ON quarantine.exceptions (tenant_id, idempotency_key) WHERE status = 'open';
CREATE INDEX exceptions_of_a_key ON quarantine.exceptions (tenant_id, idempotency_key);
CREATE INDEX exceptions_by_age ON quarantine.exceptions (tenant_id, status, opened_at, exception_id);

GRANT SELECT, INSERT, UPDATE ON quarantine.exceptions TO ledgersafe_app;
