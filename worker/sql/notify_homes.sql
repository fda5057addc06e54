-- Whatever the order's state: whoever takes the notice knows what is to be looked at again.
INSERT INTO notices (lane, order_id)
SELECT lane, order_id FROM orders WHERE order_id = ANY ($1::text[]) AND lane IS NOT NULL
RETURNING lane
