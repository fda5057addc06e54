-- Those of the first $2 orders, without those that wait until later than $3. One look at an order
-- answers all its notices; one by one, busy orders would keep others waiting. At most ten times $2:
-- one order may have any number.
WITH first AS MATERIALIZED (
    SELECT id, order_id FROM notices
    WHERE lane = $1 AND (retry_at IS NULL OR retry_at <= $3) ORDER BY id LIMIT 10 * $2
)
SELECT id, order_id FROM first
WHERE order_id IN (SELECT order_id FROM first GROUP BY order_id ORDER BY min(id) LIMIT $2)
ORDER BY id
