-- Orders of these lanes that an escalation of the last week left to a person: no later decision revoked
-- it, and no act came since. And when the oldest was made. An older one counts no more, or the number
-- would only grow where what people decide is never published.
--
-- Bounded: at most 10,000 escalations, the newest of each lane, and of each order 1,000 acts.
SELECT count(DISTINCT d.order_id)::int AS orders, min(d.decided_at) AS oldest
FROM unnest($1::int[]) AS owned (lane)
CROSS JOIN LATERAL (
    SELECT order_id, ordinal, decided_at FROM decisions
    WHERE decisions.lane = owned.lane AND kind = 'escalation'
        AND decided_at > clock_timestamp() - interval '7 days'
    ORDER BY decided_at DESC LIMIT 1 + 10000 / cardinality($1::int[])
) AS d
WHERE NOT EXISTS (SELECT FROM decisions r WHERE r.order_id = d.order_id AND r.revokes = d.ordinal)
    AND NOT EXISTS (
        SELECT FROM (
            SELECT received_at FROM acts WHERE acts.order_id = d.order_id LIMIT 1000
        ) AS few WHERE received_at > d.decided_at)
