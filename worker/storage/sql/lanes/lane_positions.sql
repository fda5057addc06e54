SELECT topic, partition, next_offset, last_offset, last_timestamp, topic_id, covered_since,
    other_log
FROM positions
WHERE partition = $1 AND topic = ANY ($2::text[])
