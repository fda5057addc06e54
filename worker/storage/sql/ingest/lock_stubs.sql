-- The stubs among these orders, locked in the order in which enter_orders.sql inserts them.
SELECT order_id FROM orders WHERE order_id = ANY ($1::text[]) AND lane IS NULL
ORDER BY order_id FOR UPDATE
