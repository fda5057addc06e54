-- The earliest act of each order in $1 with the status in $2, which starts its clock.
SELECT named.order_id, min(a.occurred_at) AS occurred_at
FROM unnest($1::text[], $2::text[]) AS named (order_id, status)
CROSS JOIN generate_series(0, 8) AS k (kind)
CROSS JOIN LATERAL (
    SELECT occurred_at FROM acts
    WHERE acts.order_id = named.order_id AND acts.status = named.status
        AND coalesce(stock_ok::int, 2) * 3 + coalesce(form_complete::int, 2) = k.kind
    ORDER BY occurred_at LIMIT 1
) AS a
GROUP BY named.order_id
