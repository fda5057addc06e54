-- The latest $1 verdicts of all lanes: from each lane its latest $1, by the primary key.
SELECT d.lane, d.sequence, d.order_id, d.kind, d.reason, d.decided_at, o.due,
    d.sequence <= coalesce(p.sequence, 0) AS published
FROM lanes l
CROSS JOIN LATERAL (
    SELECT * FROM decisions WHERE lane = l.lane ORDER BY sequence DESC LIMIT $1
) AS d
LEFT JOIN published p ON p.lane = d.lane
LEFT JOIN orders o ON o.order_id = d.order_id
ORDER BY d.decided_at DESC, d.lane, d.sequence DESC LIMIT $1
