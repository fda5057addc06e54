-- Among the next $2 orders after $1, those that were decided before $3 and have no deadline, no act
-- since, no shield, no notice and no unpublished verdict. Stubs, and orders whose clock never
-- started, expire by the time of their first record. Locked, so that no verdict is made meanwhile.
WITH page AS MATERIALIZED (
    SELECT order_id FROM orders WHERE order_id > $1 ORDER BY order_id LIMIT $2
), old AS (
    SELECT o.order_id FROM page JOIN orders o USING (order_id)
    WHERE CASE WHEN o.due IS NULL THEN o.received_at ELSE o.decided_at END < $3
        AND NOT EXISTS (SELECT FROM deadlines d
            WHERE d.lane = o.lane AND d.fires_at = o.fires_at AND d.order_id = o.order_id)
        AND NOT EXISTS (SELECT FROM acts a
            WHERE a.order_id = o.order_id AND a.received_at >= $3)
        AND NOT EXISTS (SELECT FROM shields s WHERE s.order_id = o.order_id)
        AND NOT EXISTS (SELECT FROM notices n
            WHERE n.lane = o.lane AND n.order_id = o.order_id)
        AND NOT EXISTS (SELECT FROM decisions d LEFT JOIN published p USING (lane)
            WHERE d.order_id = o.order_id AND d.sequence > coalesce(p.sequence, 0))
    FOR UPDATE OF o SKIP LOCKED
)
SELECT (SELECT max(order_id) FROM page) AS last, (SELECT count(*) FROM page) AS looked_at,
    (SELECT coalesce(array_agg(order_id), '{}') FROM old) AS old
