-- The last record that was read, by its offset and the broker's timestamp: a topic that was made
-- anew has another one there. An older worker moves the position and leaves the mark behind, which
-- does no harm: that record still stands where it stood.
ALTER TABLE positions ADD COLUMN last_offset bigint, ADD COLUMN last_timestamp bigint;
