-- The name of the fix-up that edited the received body to raw. Null: raw is the received body.
ALTER TABLE events ADD COLUMN fix_up text;
