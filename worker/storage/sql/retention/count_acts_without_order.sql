-- What delete_acts_without_order.sql would delete.
WITH page AS MATERIALIZED (
    SELECT DISTINCT order_id FROM acts WHERE order_id > $1 ORDER BY order_id LIMIT $2
)
SELECT (SELECT max(order_id) FROM page) AS last, (
    SELECT count(*)::int FROM acts a JOIN page p USING (order_id)
    WHERE a.received_at < $3 AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = p.order_id)
) AS acts
