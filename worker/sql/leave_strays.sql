-- Beside leave_notices.sql, and in a statement of its own for the same reason: acts whose order has
-- no home here may have one in another database.
INSERT INTO strays (lane, order_id)
SELECT $1::int, order_id FROM orders WHERE order_id = ANY ($2::text[]) AND lane IS NULL
