-- Acts whose status says nothing to this worker's policies may start a clock by those of the worker
-- that entered the order, or of the next one.
INSERT INTO notices (lane, order_id)
SELECT lane, order_id FROM orders
WHERE order_id = ANY ($1::text[]) AND lane IS NOT NULL AND due IS NULL
RETURNING lane
