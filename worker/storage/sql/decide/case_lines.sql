-- What some orders and the cancellations of their lines say of lines: at most 20 records of each order,
-- and none that is very large.
SELECT a.* FROM unnest($1::text[]) AS named (order_id)
CROSS JOIN LATERAL (
    SELECT order_id, status, occurred_at, topic, partition, "offset", body FROM acts
    WHERE acts.order_id = named.order_id AND status = ANY ($2::text[]) AND length(body) < 100000
    ORDER BY occurred_at LIMIT 20
) AS a
ORDER BY order_id, occurred_at
