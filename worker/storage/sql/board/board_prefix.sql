-- The first $3 orders whose id begins with $1; $2 is the first text that no longer does. By the
-- primary key, which compares bytes.
SELECT order_id, seller_id, entered_at, due,
    CASE WHEN due IS NULL THEN 'waiting-for-clock' WHEN finding IS NULL THEN 'open'
        ELSE outcome END AS status
FROM orders
WHERE order_id >= $1 AND order_id < $2 AND lane IS NOT NULL
ORDER BY order_id LIMIT $3
