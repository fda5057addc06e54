-- The first $2 deadlines of all lanes before $1, the earliest first.
SELECT found.* FROM lanes l CROSS JOIN LATERAL (
    SELECT d.lane, d.fires_at, d.order_id FROM deadlines d
    WHERE d.lane = l.lane AND d.fires_at < $1 ORDER BY d.fires_at, d.order_id LIMIT $2
) AS found
ORDER BY found.fires_at, found.order_id LIMIT $2
