-- The existing rows of these orders. The fence keeps those of our own lane unchanged; of the others,
-- a stub may become an order at any time.
SELECT order_id, lane, finding IS NOT NULL OR due IS NULL OR started_at IS NOT NULL AS watched,
    doubt = 'unreadable-evidence' AND finding IS NULL AS salvaged
FROM orders
-- A subquery: the planner would estimate each id by itself, which takes a quarter of the time.
WHERE order_id = ANY ((SELECT $1::text::text[])::text[])
