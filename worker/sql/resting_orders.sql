-- Of the orders that another database would forget, those of which something here is younger than
-- $2 or still waits; and whether they are at home here.
SELECT u.order_id, o.lane IS NOT NULL AS home,
    EXISTS (SELECT FROM acts a WHERE a.order_id = u.order_id AND a.received_at >= $2)
        OR EXISTS (SELECT FROM shields s WHERE s.order_id = u.order_id)
        OR EXISTS (SELECT FROM deadlines d
            WHERE d.lane = o.lane AND d.fires_at = o.fires_at AND d.order_id = o.order_id)
        AS rests
FROM unnest($1::text[]) AS u (order_id) LEFT JOIN orders o ON o.order_id = u.order_id
