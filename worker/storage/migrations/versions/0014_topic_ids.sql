-- Which topic the position is of, where the broker tells: a topic that is made again has the same name
-- and another id. NULL where no worker has looked yet.
ALTER TABLE positions ADD COLUMN topic_id bytea;
-- Unsettled dead letters are few, so the index takes milliseconds.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX IF NOT EXISTS dead_letters_unsettled ON dead_letters (lane, id) WHERE settled IS NULL
