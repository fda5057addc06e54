SELECT id, order_id FROM strays WHERE lane = $1 ORDER BY id LIMIT $2
