UPDATE orders AS o
SET finding = s.finding, outcome = s.outcome, decided_at = $5, decisions = s.decisions
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[])
    AS s (order_id, finding, outcome, decisions)
WHERE o.order_id = s.order_id
