-- The same place and time is the same record, read again; at another time the topic was replaced, and
-- both records are kept. A worker before this migration refuses the second reading of a record as ever.
ALTER TABLE dead_letters ADD UNIQUE (topic, partition, "offset", timestamp);
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_topic_partition_offset_key
