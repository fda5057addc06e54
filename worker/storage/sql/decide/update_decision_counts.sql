UPDATE orders AS o SET decisions = c.decisions
FROM unnest($1::text[], $2::int[]) AS c (order_id, decisions) WHERE o.order_id = c.order_id
