-- Of orders with many acts, those that the rule tells apart: the first and the last of each kind, up
-- to the order's due and after it. A kind is a status, a stock_ok and a form_complete. Each is one
-- look into the index acts_by_kind, however many acts lie between.
SELECT DISTINCT a.* FROM unnest($1::text[], $2::timestamptz[]) AS named (order_id, due)
CROSS JOIN unnest($3::text[]) AS asked (status)
CROSS JOIN generate_series(0, 8) AS k (kind)
CROSS JOIN LATERAL (
    (SELECT order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok,
        form_complete
    FROM acts
    WHERE acts.order_id = named.order_id AND acts.status = asked.status AND occurred_at <= due
        AND coalesce(stock_ok::int, 2) * 3 + coalesce(form_complete::int, 2) = k.kind
    ORDER BY occurred_at LIMIT 1)
    UNION ALL
    (SELECT order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok,
        form_complete
    FROM acts
    WHERE acts.order_id = named.order_id AND acts.status = asked.status AND occurred_at <= due
        AND coalesce(stock_ok::int, 2) * 3 + coalesce(form_complete::int, 2) = k.kind
    ORDER BY occurred_at DESC LIMIT 1)
    UNION ALL
    (SELECT order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok,
        form_complete
    FROM acts
    WHERE acts.order_id = named.order_id AND acts.status = asked.status AND occurred_at > due
        AND coalesce(stock_ok::int, 2) * 3 + coalesce(form_complete::int, 2) = k.kind
    ORDER BY occurred_at LIMIT 1)
    UNION ALL
    (SELECT order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok,
        form_complete
    FROM acts
    WHERE acts.order_id = named.order_id AND acts.status = asked.status AND occurred_at > due
        AND coalesce(stock_ok::int, 2) * 3 + coalesce(form_complete::int, 2) = k.kind
    ORDER BY occurred_at DESC LIMIT 1)
) AS a
UNION
-- And of those that no table knew, the first and the last in time.
SELECT u.* FROM unnest($1::text[], $2::timestamptz[]) AS named (order_id, due)
CROSS JOIN LATERAL (
    (SELECT order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok,
        form_complete
    FROM acts WHERE acts.order_id = named.order_id AND unknown ORDER BY occurred_at LIMIT 1)
    UNION ALL
    (SELECT order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok,
        form_complete
    FROM acts WHERE acts.order_id = named.order_id AND unknown AND occurred_at <= due
    ORDER BY occurred_at DESC LIMIT 1)
) AS u
ORDER BY order_id, status, occurred_at, stock_ok, form_complete, received_at, topic, partition,
    "offset"
