WITH letters AS (
    INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, error,
        message, key, value, header_names, header_values)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    RETURNING id
)
INSERT INTO shields (order_id, dead_letter) SELECT named, id FROM letters, unnest($13::text[]) named
