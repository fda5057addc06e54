-- Dead letters of acts that are no evidence, made from what was kept of them. Each shields its order.
WITH refused AS (
    INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, error,
        message, key, value, header_names, header_values)
    SELECT $1, a.topic, a.partition, a."offset", a.received_at, a.received_at, $6, $7,
        convert_to(a.order_id, 'UTF8'), convert_to(a.body, 'UTF8'), '{}', '{}'
    FROM unnest($2::text[], $3::text[], $4::int[], $5::bigint[])
        AS r (order_id, topic, partition, "offset")
    JOIN acts a ON a.order_id = r.order_id AND a.topic = r.topic AND a.partition = r.partition
        AND a."offset" = r."offset" AND a.status <> 'order-created'
    ON CONFLICT DO NOTHING
    RETURNING id, convert_from(key, 'UTF8') AS order_id
)
INSERT INTO shields (order_id, dead_letter) SELECT order_id, id FROM refused
