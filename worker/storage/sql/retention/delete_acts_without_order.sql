-- Among the next $2 ids of acts after $1: the acts received before $3 that no order, nor a stub, will take.
WITH page AS MATERIALIZED (
    SELECT DISTINCT order_id FROM acts WHERE order_id > $1 ORDER BY order_id LIMIT $2
), gone AS (
    DELETE FROM acts a USING page p WHERE a.order_id = p.order_id AND a.received_at < $3
        AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = p.order_id)
    RETURNING a.order_id
)
SELECT (SELECT max(order_id) FROM page) AS last, (SELECT count(*)::int FROM gone) AS acts
