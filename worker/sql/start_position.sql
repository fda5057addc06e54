-- A partition that was never read, or whose log no longer reaches back to where we were.
INSERT INTO positions (topic, partition, next_offset, covered_since) VALUES ($1, $2, $3, $4)
ON CONFLICT (topic, partition) DO UPDATE
SET next_offset = EXCLUDED.next_offset, covered_since = EXCLUDED.covered_since,
    last_offset = NULL, last_timestamp = NULL
