-- A notice for each order of lane $1 that waits for its clock, a page behind order $2.
WITH page AS (
    SELECT order_id FROM orders
    WHERE lane = $1 AND due IS NULL AND order_id > $2 ORDER BY order_id LIMIT $3
), noticed AS (
    INSERT INTO notices (lane, order_id) SELECT $1::int, order_id FROM page
)
SELECT count(*)::int AS orders, max(order_id) AS last FROM page
