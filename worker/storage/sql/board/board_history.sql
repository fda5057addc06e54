-- Verdicts of lane $1 with a sequence above $2 and up to $3, by hour and kind; and of those that a
-- deadline brought, the longest way from it. By the primary key: sequences are dense, so the range
-- bounds the rows.
SELECT date_trunc('hour', d.decided_at) AS hour, d.kind, count(*)::int AS verdicts,
    max(greatest(d.decided_at - o.due, interval '0')) FILTER (
        WHERE d.ordinal = 1 AND d.reason NOT IN ('late-dispute', 'handled-after-deadline')
    ) AS late
FROM decisions d LEFT JOIN orders o ON o.order_id = d.order_id
WHERE d.lane = $1 AND d.sequence > $2 AND d.sequence <= $3
    AND d.kind IN ('auto-cancel', 'escalation', 'decision-revoked')
GROUP BY hour, d.kind
