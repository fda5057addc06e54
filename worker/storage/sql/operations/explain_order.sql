SELECT o.*, l.owner FROM orders o LEFT JOIN lanes l ON l.lane = o.lane WHERE o.order_id = $1
