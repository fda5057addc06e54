-- Orders of these lanes that have waited since $2 for the status that starts their clock, and that
-- nobody cancelled ($3: the statuses that cancel).
--
-- Bounded: of 10,000 waiting orders, and of each order 1,000 acts.
SELECT count(*)::int AS orders
FROM (
    SELECT order_id, received_at FROM orders
    WHERE due IS NULL AND lane = ANY ($1::int[]) LIMIT 10000
) AS waiting
WHERE received_at < $2::timestamptz
    AND NOT EXISTS (
        SELECT FROM (
            SELECT status FROM acts WHERE acts.order_id = waiting.order_id LIMIT 1000
        ) AS few WHERE status = ANY ($3::text[]))
