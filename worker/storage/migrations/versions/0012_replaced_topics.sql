-- The same place and time is the same record, read again; at another time the topic was replaced, and
-- both records are kept. A worker before this migration still fails at the second reading of a record.
--
-- The lock lasts as long as the index takes, milliseconds for thousands: dead letters are few.
-- squawk-ignore disallowed-unique-constraint, constraint-missing-not-valid
ALTER TABLE dead_letters ADD UNIQUE (topic, partition, "offset", timestamp);
-- The new constraint is weaker, which no worker relies on.
-- squawk-ignore ban-drop-constraint
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_topic_partition_offset_key
