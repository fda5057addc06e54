-- For a partition that was never read, or whose log no longer holds our position. The coverage is
-- never lowered: deleted evidence stays deleted. A topic has one beginning: a partition that is added
-- later neither shortens nor extends it.
INSERT INTO positions AS p (topic, partition, next_offset, covered_since, topic_id, begins_at)
SELECT $1::text, $2::int, $3::bigint, $4::timestamptz, $6::bytea,
    CASE WHEN count(*) > 0 THEN min(begins_at) ELSE $5::timestamptz END
FROM positions WHERE topic = $1
ON CONFLICT (topic, partition) DO UPDATE
SET next_offset = EXCLUDED.next_offset, last_offset = NULL, last_timestamp = NULL,
    last_read_at = NULL, topic_id = EXCLUDED.topic_id,
    covered_since = greatest(p.covered_since, EXCLUDED.covered_since)
