-- Of the next $3 orders after $1, those that entered since $2, and the last one in any case: the
-- next page begins behind it.
WITH page AS MATERIALIZED (
    SELECT order_id, lane, entered_at, due FROM orders WHERE order_id > $1
    ORDER BY order_id LIMIT $3
)
SELECT order_id, lane, due, lane IS NOT NULL AND entered_at >= $2 AS asked FROM page
WHERE lane IS NOT NULL AND entered_at >= $2 OR order_id = (SELECT max(order_id) FROM page)
ORDER BY order_id
