-- Orders decided since $1: the outcome, live or in shadow mode, against what their acts show.
SELECT outcome, happened, count(*)::int AS orders, (array_agg(order_id ORDER BY order_id))[1:5] AS examples
FROM (
    SELECT o.order_id, o.outcome, CASE
        WHEN bool_or(a.status = 'canceled') THEN 'cancelled by somebody'
        WHEN bool_or(a.status = ANY ($2::text[]) AND a.occurred_at <= o.due) THEN 'handled in time'
        WHEN bool_or(a.status = ANY ($2::text[])) THEN 'handled late'
        WHEN bool_or(a.status = 'dispute-opened') THEN 'disputed'
        ELSE 'nothing heard' END AS happened
    FROM orders o JOIN acts a USING (order_id)
    WHERE o.decided_at >= $1
    GROUP BY o.order_id, o.outcome
) AS decided
GROUP BY outcome, happened ORDER BY outcome, orders DESC
