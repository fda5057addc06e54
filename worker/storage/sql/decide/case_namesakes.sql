-- Those orders of which acts are known under an id that differs in case only.
SELECT DISTINCT named.order_id FROM unnest($1::text[]) AS named (order_id)
JOIN orders o ON lower(o.order_id) = lower(named.order_id COLLATE "C") AND o.lane IS NULL
