-- Orders that could not be judged: a fault of ours, or the brake. They stay overdue and visible,
-- and make room for the others, which one poisoned order must not hold. The order says where its
-- row is: whoever gives it another deadline must find it.
WITH postponed AS (
    UPDATE deadlines SET fires_at = $2::timestamptz
    WHERE lane = $1 AND order_id = ANY ($3::text[]) AND fires_at <= $2
    RETURNING order_id
)
UPDATE orders AS o SET grace = coalesce(o.grace, o.fires_at - o.due), fires_at = $2
FROM postponed WHERE o.order_id = postponed.order_id
