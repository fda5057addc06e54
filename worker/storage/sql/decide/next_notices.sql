SELECT id, order_id FROM notices WHERE lane = $1 ORDER BY id LIMIT $2
