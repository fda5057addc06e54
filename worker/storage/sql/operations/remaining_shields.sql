SELECT DISTINCT order_id FROM shields WHERE dead_letter = ANY ($1::bigint[]) ORDER BY order_id
