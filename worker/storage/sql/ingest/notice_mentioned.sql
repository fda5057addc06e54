-- Acts whose status says nothing to this worker's policies, $1, may start a clock by those of the worker
-- that entered the order, or of the next one. Those in $2 make a cancelled order alive again.
INSERT INTO notices (lane, order_id)
SELECT lane, order_id FROM orders
WHERE order_id = ANY ($1::text[] || $2::text[]) AND lane IS NOT NULL AND (due IS NULL
    OR order_id = ANY ($2::text[]) AND (finding IS NOT NULL OR started_at IS NOT NULL))
RETURNING lane
