-- Acts whose status says nothing to this worker's policies, $1, may start a clock by those of the worker
-- that entered the order, or of the next one. Those about the orders $2, read by the lanes $3, make a
-- cancelled order alive again. The order of another lane gets a notice in any case: that lane may be
-- looking at it at this moment, and neither sees yet what the other writes.
WITH told AS (
    SELECT order_id, NULL::int AS lane, false AS ready FROM unnest($1::text[]) AS m (order_id)
    UNION ALL
    SELECT order_id, lane, true FROM unnest($2::text[], $3::int[]) AS r (order_id, lane)
)
INSERT INTO notices (lane, order_id)
SELECT DISTINCT o.lane, o.order_id FROM told JOIN orders AS o USING (order_id)
WHERE o.lane IS NOT NULL AND (o.due IS NULL OR told.ready
    AND (o.lane <> told.lane OR o.finding IS NOT NULL OR o.started_at IS NOT NULL))
ORDER BY o.order_id
RETURNING lane, order_id
