-- What a list shows of each order. `reasons`: of the decisions in force, the oldest first.
SELECT o.order_id, o.seller_id, o.fulfilment, o.policy, o.entered_at, o.due, o.fires_at, o.decided_at,
    CASE WHEN o.due IS NULL THEN 'waiting-for-clock' WHEN o.finding IS NULL THEN 'open'
        ELSE o.outcome END AS status,
    o.held AND o.finding IS NULL AS held,
    o.finding IS NULL AND NOT o.held AND o.fires_at < $2 AS overdue,
    EXISTS (SELECT FROM shields s WHERE s.order_id = o.order_id) AS shielded,
    ARRAY(SELECT d.reason FROM decisions d
        WHERE d.order_id = o.order_id AND d.kind IN ('auto-cancel', 'escalation')
            AND NOT EXISTS (SELECT FROM decisions r
                WHERE r.order_id = d.order_id AND r.revokes = d.ordinal)
        ORDER BY d.ordinal) AS reasons,
    -- An escalation that no act has answered since.
    EXISTS (SELECT FROM decisions d
        WHERE d.order_id = o.order_id AND d.kind = 'escalation'
            AND NOT EXISTS (SELECT FROM decisions r
                WHERE r.order_id = d.order_id AND r.revokes = d.ordinal)
            AND NOT EXISTS (SELECT FROM acts a
                WHERE a.order_id = d.order_id AND a.received_at > d.decided_at)) AS unanswered
FROM orders o WHERE o.order_id = ANY ($1::text[])
