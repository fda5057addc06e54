SELECT order_id, seller_id, fulfilment, entered_at, due, policy, at_lapse, topic,
    partition, "offset", received_at, finding, decisions
FROM orders WHERE order_id = ANY ($1::text[]) AND lane = $2
