-- Without a mark and an id, since the log may be another one. The coverage is never lowered: what was lost stays
-- lost.
UPDATE positions SET next_offset = $3, last_offset = NULL, last_timestamp = NULL, topic_id = NULL,
    other_log = NULL,
    covered_since = greatest(covered_since, statement_timestamp())
WHERE topic = $1 AND partition = $2
