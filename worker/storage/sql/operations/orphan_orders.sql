-- Orders of which acts came, the first of them $1 ago or longer, and no order-created. Of an order with
-- very many acts, some are looked at.
SELECT order_id, received_at, matching, acts.*
FROM (
    SELECT order_id, received_at, count(*) OVER () AS matching FROM orders
    WHERE due IS NULL AND lane IS NULL AND received_at <= clock_timestamp() - $1::interval
    ORDER BY received_at, order_id LIMIT $2
) AS stubs
CROSS JOIN LATERAL (
    SELECT count(*) AS acts, min(occurred_at) AS first_at,
        (array_agg(status ORDER BY occurred_at))[1] AS first_status,
        (array_agg(place ORDER BY occurred_at))[1] AS first_place,
        max(occurred_at) AS last_at,
        (array_agg(status ORDER BY occurred_at DESC))[1] AS last_status,
        (array_agg(place ORDER BY occurred_at DESC))[1] AS last_place
    FROM (
        SELECT occurred_at, status, format('%s/%s/%s', topic, partition, "offset") AS place
        FROM acts a WHERE a.order_id = stubs.order_id LIMIT 1000
    ) AS few
) AS acts
ORDER BY received_at, order_id
