-- A sample by two indexes: of each lane the $1 orders that lapse last, and the orders of its $1 newest
-- verdicts.
SELECT d.order_id FROM lanes l CROSS JOIN LATERAL (
    SELECT order_id FROM deadlines WHERE lane = l.lane ORDER BY fires_at DESC LIMIT $1
) AS d
UNION
SELECT d.order_id FROM lanes l CROSS JOIN LATERAL (
    SELECT order_id FROM decisions WHERE lane = l.lane ORDER BY sequence DESC LIMIT $1
) AS d
