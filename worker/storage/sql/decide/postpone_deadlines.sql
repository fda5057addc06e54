-- Orders that could not be judged: a fault of ours, or the brake. They stay overdue and visible,
-- and make room for the others, which one poisoned order must not hold. The order says where its
-- row is: whoever gives it another deadline must find it.
WITH postponed AS (
    INSERT INTO deadlines (lane, fires_at, order_id)
    SELECT $1::int, $2::timestamptz, unnest($3::text[])
    RETURNING order_id
)
UPDATE orders AS o SET grace = coalesce(o.grace, o.fires_at - o.due), fires_at = $2
FROM postponed WHERE o.order_id = postponed.order_id
