SELECT id, topic, partition, "offset", timestamp, error, message, key, value, header_names,
    header_values
FROM dead_letters WHERE lane = $1 AND NOT published ORDER BY id LIMIT $2
