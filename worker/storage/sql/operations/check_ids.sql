-- Ids that differ in case or blanks only, among $1 open orders and $1 acts without an order. An index
-- finds any spelling of acts without an order, and the usual spellings of an order.
WITH asked AS MATERIALIZED (
    (SELECT order_id FROM deadlines LIMIT $1)
    UNION ALL
    (SELECT order_id FROM orders WHERE due IS NULL AND lane IS NULL LIMIT $1)
), alike AS (
    SELECT a.order_id AS one, o.order_id AS other FROM asked a CROSS JOIN LATERAL unnest(
        ARRAY[lower(a.order_id), upper(a.order_id), btrim(a.order_id)]
    ) AS spelling JOIN orders o ON o.order_id = spelling
    UNION ALL
    SELECT a.order_id, o.order_id FROM asked a
    JOIN orders o ON lower(o.order_id) = lower(a.order_id) AND o.lane IS NULL
)
SELECT DISTINCT least(one, other) || ' / ' || greatest(one, other) AS ids
FROM alike WHERE one <> other ORDER BY ids LIMIT 20
