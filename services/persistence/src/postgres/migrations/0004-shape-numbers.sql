-- The number of the row's shape within its event type, beside its fingerprint (schema_version). Null: the shape had no
-- number when the row was written, or was beyond the limit of shapes; `weir backfill` gives it later.
ALTER TABLE events ADD COLUMN schema_version_number integer;

-- Progress of `weir backfill` for a source. It continues after this key if it fills the same columns.
CREATE TABLE weir_backfills (
  source text PRIMARY KEY,
  target bytea NOT NULL,
  after_key bytea NOT NULL,
  looked_at bigint NOT NULL,
  filled bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
