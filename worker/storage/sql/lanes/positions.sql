SELECT topic, partition, next_offset, last_timestamp, covered_since, begins_at, adopted_at
FROM positions LEFT JOIN installation ON true
