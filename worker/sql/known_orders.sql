-- Of the orders of another database those of which something stands here: rarely any. A shield
-- may be all there is, for a refused record leaves no stub.
SELECT u.order_id, o.lane, o.finding IS NOT NULL AS decided
FROM unnest($1::text[]) AS u (order_id) LEFT JOIN orders o ON o.order_id = u.order_id
WHERE o.lane IS NOT NULL
    OR EXISTS (SELECT FROM acts a WHERE a.order_id = u.order_id)
    OR EXISTS (SELECT FROM shields s WHERE s.order_id = u.order_id)
