-- Nanoseconds of the provider's time below its millisecond, because a timestamptz holds only microseconds.
ALTER TABLE events ADD COLUMN occurred_at_nanos integer;
ALTER TABLE interactions ADD COLUMN occurred_at_nanos integer;

-- Attributes were strings of JSON and become that JSON. A string that jsonb does not accept stays a string.
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

-- Not a temporary function, because that needs a separate privilege, which strict databases do not grant.
DROP FUNCTION weir_attribute_of(jsonb);
