SELECT order_id FROM orders WHERE order_id = ANY ($1::text[]) AND lane IS NOT NULL ORDER BY order_id
