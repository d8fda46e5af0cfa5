-- Subjects whose rows no retention run may delete. A released hold stays, as a record of who released it.
CREATE TABLE weir_holds (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text,
  interaction_id text,
  customer_identifier text,
  placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  placed_by text NOT NULL,
  reason text NOT NULL,
  released_at timestamptz,
  released_by text,
  release_reason text,
  -- A subject is one interaction of a source, or one customer of one source or of all sources.
  CHECK ((interaction_id IS NULL) <> (customer_identifier IS NULL)),
  CHECK (interaction_id IS NULL OR source IS NOT NULL),
  CHECK ((released_at IS NULL) = (released_by IS NULL))
);
CREATE INDEX weir_holds_interaction ON weir_holds (source, interaction_id) WHERE released_at IS NULL;
CREATE INDEX weir_holds_customer ON weir_holds (customer_identifier) WHERE released_at IS NULL;

-- Each `weir retention run`: its limits, and its progress over the keys.
CREATE TABLE weir_retention_runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  age_secs bigint NOT NULL,
  -- Rows stored before it are deleted.
  stored_before timestamptz NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_by text NOT NULL,
  finished_at timestamptz,
  after_key bytea NOT NULL DEFAULT '',
  looked_at bigint NOT NULL DEFAULT 0,
  held bigint NOT NULL DEFAULT 0
);

-- The receipt of each run: deleted rows by source, counted in the transaction that deleted them.
CREATE TABLE weir_retention_receipts (
  run_id bigint NOT NULL REFERENCES weir_retention_runs,
  source text NOT NULL,
  events bigint NOT NULL,
  interactions bigint NOT NULL,
  PRIMARY KEY (run_id, source)
);
