-- A record that is read again after its position was set back meets its own dead letter. That one opens
-- again, and its orders are shielded again.
--
-- $14: the record may tell an act. If none of the orders that it names is known, it may concern any.
WITH letters AS (
    INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, error,
        message, key, value, header_names, header_values, astray)
    SELECT $1::int, $2::text, $3::int, $4::bigint, $5::timestamptz, $6::timestamptz, $7::text,
        $8::text, $9::bytea, $10::bytea, $11::bytea[], $12::bytea[],
        CASE WHEN $14::boolean AND NOT EXISTS (
            SELECT FROM orders WHERE order_id = ANY ($13::text[]) AND lane IS NOT NULL
        ) THEN true END
    ON CONFLICT (topic, partition, "offset", timestamp) DO UPDATE
    SET settled = NULL, settled_by = NULL, settled_at = NULL, astray = EXCLUDED.astray
    RETURNING id
)
INSERT INTO shields (order_id, dead_letter) SELECT named, id FROM letters, unnest($13::text[]) named
ON CONFLICT DO NOTHING
