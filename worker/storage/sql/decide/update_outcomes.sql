-- One call for all orders with the same verdict: an array of each column would cost the driver as
-- much as the rows cost the server. Without a verdict an order is open again.
WITH kept AS (
    -- Counted here, because an index on the outcome would slow every verdict.
    UPDATE lanes SET before_adoption = before_adoption + n.orders
    FROM (SELECT lane, count(*) AS orders FROM orders
          WHERE $3 = 'before-adoption' AND order_id = ANY ($1::text::text[]) GROUP BY lane) AS n
    WHERE lanes.lane = n.lane
)
UPDATE orders SET finding = $2, outcome = $3, decisions = $4,
    decided_at = CASE WHEN $2::text IS NULL THEN NULL ELSE $5::timestamptz END
WHERE order_id = ANY ($1::text::text[])
