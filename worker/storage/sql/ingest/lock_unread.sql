-- Those of these orders ($1) that nobody has read yet, locked in the order in which enter_orders.sql
-- inserts them: stubs, and what this lane ($3) salvaged of those that are readable now ($2).
SELECT order_id FROM orders
WHERE order_id = ANY ($1::text[]) AND (lane IS NULL OR (
    lane = $3::int AND doubt = 'unreadable-evidence' AND finding IS NULL
    AND order_id = ANY ($2::text[])))
ORDER BY order_id FOR UPDATE
