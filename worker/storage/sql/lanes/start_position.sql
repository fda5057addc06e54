-- For a partition that was never read, or whose log no longer holds our position. The coverage is
-- never lowered: deleted evidence stays deleted. A topic has one beginning: a partition that is added
-- later neither shortens nor extends it.
INSERT INTO positions AS p (topic, partition, next_offset, covered_since, topic_id, begins_at)
VALUES ($1, $2, $3, $4, $6, CASE WHEN EXISTS (SELECT FROM positions WHERE topic = $1)
    THEN (SELECT min(begins_at) FROM positions WHERE topic = $1) ELSE $5 END)
ON CONFLICT (topic, partition) DO UPDATE
SET next_offset = EXCLUDED.next_offset, last_offset = NULL, last_timestamp = NULL,
    last_read_at = NULL, topic_id = EXCLUDED.topic_id,
    covered_since = greatest(p.covered_since, EXCLUDED.covered_since)
