-- What the acts here say of orders, $1, with their deadlines, $2; $3 are the statuses of handling.
SELECT o.order_id, bool_or(a.status = 'canceled') AS cancelled,
    bool_or(a.status = ANY ($3::text[]) AND a.occurred_at <= o.due) AS handled_in_time,
    bool_or(a.status = ANY ($3::text[])) AS handled,
    bool_or(a.status = 'dispute-opened') AS disputed
FROM unnest($1::text[], $2::timestamptz[]) AS o (order_id, due) JOIN acts a USING (order_id)
GROUP BY o.order_id
