-- What is there of these orders. Of our own lane's nothing can change behind the fence; of the
-- others a stub may become an order meanwhile.
SELECT order_id, lane, finding IS NOT NULL OR due IS NULL AS watched FROM orders
-- A subquery, or the planner would weigh each of the ids by itself, for a quarter of the time.
WHERE order_id = ANY ((SELECT $1::text::text[])::text[])
