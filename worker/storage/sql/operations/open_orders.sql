-- The next $4 deadlines after a place, and whether their order is open and chosen. An order that a
-- change moves while the pages are read comes again, and its row says then that it was changed.
SELECT d.lane, d.fires_at, o.order_id, o.due, coalesce(o.first_due, o.due) AS first_due, o.held,
    o.finding IS NULL
        AND ($5::text IS NULL OR lower(btrim(o.seller_id)) = lower(btrim($5)))
        AND ($6::text IS NULL OR o.policy = $6)
        AND ($7::timestamptz IS NULL OR o.entered_at >= $7)
        AND ($8::timestamptz IS NULL OR o.entered_at <= $8) AS chosen
FROM (
    SELECT lane, fires_at, order_id FROM deadlines
    WHERE (lane, fires_at, order_id) > ($1, $2, $3)
    ORDER BY lane, fires_at, order_id LIMIT $4
) AS d
JOIN orders o USING (order_id)
ORDER BY d.lane, d.fires_at, d.order_id
