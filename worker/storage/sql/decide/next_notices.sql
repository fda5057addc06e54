-- Without those that wait until later than $3.
SELECT id, order_id FROM notices
WHERE lane = $1 AND (retry_at IS NULL OR retry_at <= $3) ORDER BY id LIMIT $2
