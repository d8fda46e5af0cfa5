-- Nanoseconds of the provider's time below its millisecond: a timestamptz holds microseconds.
ALTER TABLE events ADD COLUMN occurred_at_nanos integer;
ALTER TABLE interactions ADD COLUMN occurred_at_nanos integer;

-- An attribute was a string that held JSON; it is that JSON now. What jsonb does not take stays a string.
CREATE FUNCTION weir_attribute_of(given jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF jsonb_typeof(given) <> 'string' THEN RETURN given; END IF;
  RETURN (given #>> '{}')::jsonb;
EXCEPTION WHEN others THEN
  RETURN given;
END $$;

UPDATE events SET attributes = (
  SELECT jsonb_object_agg(name, weir_attribute_of(value))
  FROM jsonb_each(attributes) AS attribute (name, value)
) WHERE attributes <> '{}';

-- Not a temporary function: that takes a right of its own, which strict databases do not give.
DROP FUNCTION weir_attribute_of(jsonb);
