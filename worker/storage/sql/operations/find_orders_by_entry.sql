-- Orders that entered in [$1, $2), the newest first, behind a place ($3, $4). The filters $5 to $9 are those
-- of find_orders_by_deadline.sql.
SELECT o.order_id, o.entered_at AS place FROM orders o
WHERE o.lane IS NOT NULL AND o.entered_at >= $1 AND o.entered_at < $2 AND o.entered_at <= $3
    AND (o.entered_at, o.order_id) < ($3, $4)
    AND ($5::text IS NULL OR o.seller_id = $5)
    AND ($6::text IS NULL OR o.policy = $6)
    AND ($7::text IS NULL OR $7 = CASE WHEN o.due IS NULL THEN 'waiting-for-clock'
        WHEN o.finding IS NULL THEN 'open' ELSE o.outcome END)
    AND ($8::text IS NULL OR EXISTS (SELECT FROM decisions d
        WHERE d.order_id = o.order_id AND d.reason = $8 AND d.revokes IS NULL
            AND NOT EXISTS (SELECT FROM decisions r
                WHERE r.order_id = d.order_id AND r.revokes = d.ordinal)))
    AND (NOT $9 OR o.held AND o.finding IS NULL
        OR EXISTS (SELECT FROM shields s WHERE s.order_id = o.order_id)
        OR EXISTS (SELECT FROM decisions d
            WHERE d.order_id = o.order_id AND d.kind = 'escalation'
                AND NOT EXISTS (SELECT FROM decisions r
                    WHERE r.order_id = d.order_id AND r.revokes = d.ordinal)
                AND NOT EXISTS (SELECT FROM acts a
                    WHERE a.order_id = d.order_id AND a.received_at > d.decided_at)))
ORDER BY o.entered_at DESC, o.order_id DESC LIMIT $10
