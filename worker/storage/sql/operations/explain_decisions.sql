SELECT d.ordinal, d.lane, d.sequence, d.id, d.kind, d.reason, d.revokes, d.decided_at, d.value,
    d.sequence <= coalesce(p.sequence, 0) AS published, r.ordinal AS revoked_by
FROM decisions d
LEFT JOIN published p ON p.lane = d.lane
LEFT JOIN decisions r ON r.order_id = d.order_id AND r.revokes = d.ordinal
WHERE d.order_id = $1 ORDER BY d.ordinal
