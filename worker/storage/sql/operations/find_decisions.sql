-- Decisions made in [$1, $2), the newest first, behind a place ($3, $4 = lane, $5 = sequence). Filters:
-- seller, policy, kind, reason, status, and whether it is an escalation that no act has answered.
SELECT d.lane, d.sequence, d.order_id, d.ordinal, d.id, d.kind, d.reason, d.decided_at, d.revokes,
    o.seller_id, o.policy, o.due, d.sequence <= coalesce(p.sequence, 0) AS published,
    (SELECT r.decided_at FROM decisions r
        WHERE r.order_id = d.order_id AND r.revokes = d.ordinal) AS revoked_at
FROM decisions d
JOIN orders o USING (order_id)
LEFT JOIN published p ON p.lane = d.lane
WHERE d.decided_at >= $1 AND d.decided_at < $2 AND d.decided_at <= $3
    AND (d.decided_at, d.lane, d.sequence) < ($3, $4, $5)
    AND ($6::text IS NULL OR o.seller_id = $6)
    AND ($7::text IS NULL OR o.policy = $7)
    AND ($8::text IS NULL OR d.kind = $8)
    AND ($9::text IS NULL OR d.reason = $9)
    AND ($10::text IS NULL OR CASE $10
        WHEN 'unpublished' THEN d.sequence > coalesce(p.sequence, 0)
        ELSE ($10 = 'revoked') = EXISTS (SELECT FROM decisions r
            WHERE r.order_id = d.order_id AND r.revokes = d.ordinal) END)
    AND (NOT $11 OR d.kind = 'escalation'
        AND NOT EXISTS (SELECT FROM decisions r
            WHERE r.order_id = d.order_id AND r.revokes = d.ordinal)
        AND NOT EXISTS (SELECT FROM acts a
            WHERE a.order_id = d.order_id AND a.received_at > d.decided_at))
ORDER BY d.decided_at DESC, d.lane DESC, d.sequence DESC LIMIT $12
