-- Orders on hold by an event, and the hold in force; the longest held first.
SELECT o.order_id, o.seller_id, o.policy, o.entered_at, o.due, hold.*, count(*) OVER () AS matching
FROM orders o
LEFT JOIN LATERAL (
    SELECT occurred_at AS held_at, author, reason FROM deadline_changes c
    WHERE c.order_id = o.order_id AND kind = 'order.deadline-held' AND counted IS NOT FALSE
    ORDER BY occurred_at DESC LIMIT 1
) AS hold ON true
WHERE o.held AND o.finding IS NULL
ORDER BY held_at, o.order_id LIMIT $1
