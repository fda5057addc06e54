SELECT received_at, topic, partition, "offset", seller_id, fulfilment, entered_at, total, currency
FROM order_versions WHERE order_id = $1 ORDER BY received_at, topic, partition, "offset" LIMIT $2
