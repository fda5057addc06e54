-- For the orders of this lane, the reminders of their policy that are later than $3.
WITH armed AS (
    INSERT INTO reminders (lane, remind_at, order_id)
    SELECT o.lane, o.due - before, o.order_id
    FROM orders o
    JOIN policies p ON p.name = o.policy AND p.version = o.policy_version
    CROSS JOIN LATERAL unnest(p.reminders) AS before
    WHERE o.order_id = ANY ($1::text[]) AND o.lane = $2 AND o.finding IS NULL
        AND o.due - before > $3
    ON CONFLICT DO NOTHING
    RETURNING remind_at
)
SELECT min(remind_at) AS next FROM armed
