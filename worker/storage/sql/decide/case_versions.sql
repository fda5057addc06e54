-- At most $2 of the order-created records that tell an order otherwise, the first ones.
SELECT v.* FROM unnest($1::text[]) AS named (order_id)
CROSS JOIN LATERAL (
    SELECT order_id, received_at, topic, partition, "offset", seller_id, fulfilment, entered_at,
        total, currency, labels, told_due
    FROM order_versions WHERE order_versions.order_id = named.order_id
    ORDER BY received_at, topic, partition, "offset" LIMIT $2
) AS v
