-- For a partition that was never read, or whose log no longer holds our position. The coverage is
-- never lowered: deleted evidence stays deleted.
INSERT INTO positions AS p (topic, partition, next_offset, covered_since) VALUES ($1, $2, $3, $4)
ON CONFLICT (topic, partition) DO UPDATE
SET next_offset = EXCLUDED.next_offset, last_offset = NULL, last_timestamp = NULL,
    last_read_at = NULL,
    covered_since = greatest(p.covered_since, EXCLUDED.covered_since)
