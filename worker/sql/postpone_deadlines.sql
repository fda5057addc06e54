-- Orders that could not be judged: a fault of ours. They stay overdue and visible, and make room
-- for the others, which one poisoned order must not hold.
UPDATE deadlines SET fires_at = $2::timestamptz WHERE lane = $1 AND order_id = ANY ($3::text[])
    AND fires_at <= $2
