SELECT order_id, lane, due, coalesce(first_due, due) AS first_due, held FROM orders
WHERE order_id = ANY ($1::text[]) AND lane IS NOT NULL AND due IS NOT NULL AND finding IS NULL
ORDER BY order_id
