SELECT fires_at, order_id FROM deadlines
WHERE lane = $1 AND fires_at <= $2 ORDER BY fires_at, order_id LIMIT $3
