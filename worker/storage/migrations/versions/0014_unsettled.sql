-- Unsettled dead letters are few, so the index takes milliseconds.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX dead_letters_unsettled ON dead_letters (lane, id) WHERE settled IS NULL
