-- The first ten are enough evidence: a single one shields the order.
SELECT s.order_id, d.topic, d.partition, d."offset", d.received_at, d.error
FROM unnest($1::text::text[]) AS named (order_id)
CROSS JOIN LATERAL (
    SELECT order_id, dead_letter FROM shields
    WHERE shields.order_id = named.order_id ORDER BY dead_letter LIMIT 10
) AS s
JOIN dead_letters d ON d.id = s.dead_letter
ORDER BY d.id
