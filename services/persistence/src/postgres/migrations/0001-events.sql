CREATE TABLE events (
  event_key bytea PRIMARY KEY CHECK (octet_length(event_key) = 16),
  source text NOT NULL,
  event_type text NOT NULL,
  interaction_id text NOT NULL,
  channel text,
  direction text,
  customer_identifier text,
  customer_type text,
  queue text,
  skill text,
  agent_id text,
  message text,
  intent text,
  sequence bigint,
  occurred_at timestamptz,
  occurred_at_original text,
  received_at timestamptz NOT NULL,
  processed_at timestamptz NOT NULL,
  schema_version text NOT NULL,
  declared_schema_version text,
  data_action_id text,
  session_id text,
  user_id text,
  attributes jsonb NOT NULL,
  parts_missing text[] NOT NULL,
  body_hash bytea NOT NULL,
  payload jsonb NOT NULL,
  -- True: payload differs from raw, because jsonb accepts neither NUL nor lone surrogates.
  payload_sanitised boolean NOT NULL,
  raw bytea NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX events_interaction ON events (source, interaction_id);
CREATE INDEX events_stored_at ON events USING brin (stored_at);

CREATE TABLE interactions (
  source text NOT NULL,
  interaction_id text NOT NULL,
  event_key bytea NOT NULL,
  event_type text NOT NULL,
  channel text,
  direction text,
  customer_identifier text,
  customer_type text,
  queue text,
  skill text,
  agent_id text,
  sequence bigint,
  occurred_at timestamptz,
  received_at timestamptz NOT NULL,
  payload jsonb NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (source, interaction_id)
);
