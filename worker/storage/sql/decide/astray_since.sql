-- The newest refused act of a lane that names no known order: it may concern any order of its time.
-- One that was told before its order counts until the monitor has seen the order, and not here.
SELECT d."timestamp" AS at FROM dead_letters d
WHERE d.lane = $1 AND d.astray AND NOT EXISTS (
    SELECT FROM shields s JOIN orders o USING (order_id)
    WHERE s.dead_letter = d.id AND o.lane IS NOT NULL
)
ORDER BY d."timestamp" DESC LIMIT 1
