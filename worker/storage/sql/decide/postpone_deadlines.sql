-- Orders without a verdict for now: a fault of ours, or the brake. They stay overdue and visible, and
-- make room for the others, which one bad order must not block. The order keeps its new time, by
-- which a later change of its deadline finds the row.
WITH postponed AS (
    INSERT INTO deadlines (lane, fires_at, order_id)
    SELECT $1::int, $2::timestamptz, unnest($3::text[])
    RETURNING order_id
)
UPDATE orders AS o SET grace = coalesce(o.grace, o.fires_at - o.due), fires_at = $2
FROM postponed WHERE o.order_id = postponed.order_id
