-- Orders that are spelt as one of $1, or like $2 but for case if they are stubs; and the neighbours of $2.
SELECT order_id FROM orders WHERE order_id = ANY ($1::text[])
UNION SELECT order_id FROM orders WHERE lower(order_id) = lower($2) AND lane IS NULL
UNION (SELECT order_id FROM orders WHERE order_id < $2 ORDER BY order_id DESC LIMIT 10)
UNION (SELECT order_id FROM orders WHERE order_id > $2 ORDER BY order_id LIMIT 10)
