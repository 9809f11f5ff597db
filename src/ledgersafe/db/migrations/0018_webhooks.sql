-- Signed webhooks (Standard Webhooks): who wants to be told what, and what is still to be told.

CREATE TABLE jobs.webhooks (
  tenant_id text COLLATE "C" NOT NULL,
  webhook_id uuid NOT NULL,
  url text NOT NULL,
  kinds text[] NOT NULL CHECK (cardinality(kinds) > 0),
  secret bytea,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  failing_since timestamptz,
  last_error text,
  disabled_at timestamptz,
  removed_at timestamptz,
  PRIMARY KEY (tenant_id, webhook_id),
  CHECK ((secret IS NULL) = (removed_at IS NOT NULL))
);
COMMENT ON TABLE jobs.webhooks IS 'Addresses that want to be told what happens to exceptions. Removed ones stay, without their secret.';
COMMENT ON COLUMN jobs.webhooks.kinds IS 'What it wants to be told: exception.opened, exception.resolved.';
COMMENT ON COLUMN jobs.webhooks.secret IS 'The key that signs, as it is: a hash could not sign. Shown once, when it is made; wiped when the webhook is removed.';
COMMENT ON COLUMN jobs.webhooks.failing_since IS 'Since when no message was taken; NULL: the last one was.';
COMMENT ON COLUMN jobs.webhooks.last_error IS 'What was wrong with the last attempt; NULL: nothing.';
COMMENT ON COLUMN jobs.webhooks.disabled_at IS 'When we gave it up, after days of failure or an answer of 410.';

CREATE TABLE jobs.deliveries (
  tenant_id text COLLATE "C" NOT NULL,
  message_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  kind text NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  state text NOT NULL CHECK (state IN ('pending', 'delivered', 'given_up')),
  last_error text,
  ended_at timestamptz,
  PRIMARY KEY (tenant_id, message_id, webhook_id),
  FOREIGN KEY (tenant_id, webhook_id) REFERENCES jobs.webhooks
);
COMMENT ON TABLE jobs.deliveries IS 'Messages to webhooks, written in the transaction of what they tell.';
COMMENT ON COLUMN jobs.deliveries.message_id IS 'The header webhook-id: the same at every attempt, so that a receiver can tell a repetition.';
COMMENT ON COLUMN jobs.deliveries.body IS 'What is sent, to the byte: ids, reason and links, nothing of an event''s payload.';
COMMENT ON COLUMN jobs.deliveries.due_at IS 'When it is sent next. Who takes it sets it ahead: if he dies, it is due again then.';
COMMENT ON COLUMN jobs.deliveries.attempts IS 'How often it was tried.';
COMMENT ON COLUMN jobs.deliveries.ended_at IS 'When it was taken, or given up.';

CREATE INDEX deliveries_due ON jobs.deliveries (tenant_id, webhook_id, due_at) WHERE state = 'pending';

GRANT SELECT, INSERT, UPDATE ON jobs.webhooks, jobs.deliveries TO ledgersafe_app;
