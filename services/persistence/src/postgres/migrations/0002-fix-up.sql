-- The name of the fix-up that made raw of what came in; null: raw is what came in.
ALTER TABLE events ADD COLUMN fix_up text;
