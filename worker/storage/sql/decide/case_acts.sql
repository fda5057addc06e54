-- At most $2 status changes of each order. One that has as many or more is abridged: abridged_acts.sql.
SELECT a.* FROM unnest($1::text::text[]) AS named (order_id)
CROSS JOIN LATERAL (
    SELECT order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok,
        form_complete
    FROM acts WHERE acts.order_id = named.order_id AND status NOT IN ('order-created',
        'order.deadline-extended', 'order.deadline-held', 'order.deadline-released')
    LIMIT $2
) AS a
ORDER BY order_id, status, occurred_at, stock_ok, form_complete, received_at, topic, partition,
    "offset"
