-- After the acts and lock_stubs, in a statement of its own: it must see an order that another lane
-- committed while either waited for its key. An order whose clock has not started gets a notice for
-- each act, which may start the clock, and one whose clock did not start with its entry. So does an
-- order whose deadline was changed, $3.
INSERT INTO notices (lane, order_id)
SELECT lane, order_id FROM orders
WHERE order_id = ANY ($1::text[]) AND lane IS NOT NULL
    AND (lane <> $2 OR finding IS NOT NULL OR due IS NULL OR started_at IS NOT NULL
        OR order_id = ANY ($3::text[]))
RETURNING lane
