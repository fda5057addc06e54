SELECT topic, partition, next_offset, last_offset, last_timestamp, topic_id, covered_since, begins_at,
    other_log, adopted_at
FROM positions LEFT JOIN installation ON true
