-- Orders on hold by an event since before $1, and those whose hold is not known. Bounded.
SELECT count(*)::int AS orders FROM (
    SELECT order_id FROM orders WHERE held AND finding IS NULL LIMIT 10000
) AS o
WHERE NOT EXISTS (
    SELECT FROM deadline_changes c
    WHERE c.order_id = o.order_id AND c.kind = 'order.deadline-held' AND c.occurred_at >= $1
)
