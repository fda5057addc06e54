-- A notice for each order of lane $1 that waits for its clock, a page of $3 behind order $2. With the
-- statuses $4, only for those with an act of one of them.
WITH page AS (
    SELECT order_id FROM orders
    WHERE lane = $1 AND due IS NULL AND order_id > $2 ORDER BY order_id LIMIT $3
), noticed AS (
    INSERT INTO notices (lane, order_id) SELECT $1::int, order_id FROM page
    WHERE $4::text[] IS NULL OR EXISTS (
        SELECT FROM acts WHERE acts.order_id = page.order_id AND status = ANY ($4))
    RETURNING order_id
)
SELECT count(*)::int AS orders, max(order_id) AS last, (SELECT count(*)::int FROM noticed) AS noticed
FROM page
