-- Orders on hold, by the index of those alone; places and filters as in find_orders_by_entry.sql.
SELECT o.order_id, o.entered_at AS place FROM orders o
WHERE o.held AND o.finding IS NULL AND o.lane IS NOT NULL
    AND ($1::timestamptz IS NULL OR o.entered_at >= $1)
    AND ($2::timestamptz IS NULL OR o.entered_at < $2)
    AND (o.entered_at, o.order_id) < ($3, $4)
    AND ($5::text IS NULL OR o.seller_id = $5)
    AND ($6::text IS NULL OR o.policy = $6)
    AND ($7::text IS NULL OR EXISTS (SELECT FROM decisions d
        WHERE d.order_id = o.order_id AND d.reason = $7 AND d.revokes IS NULL
            AND NOT EXISTS (SELECT FROM decisions r
                WHERE r.order_id = d.order_id AND r.revokes = d.ordinal)))
ORDER BY o.entered_at DESC, o.order_id DESC LIMIT $8
