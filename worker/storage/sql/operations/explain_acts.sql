-- Repeats are one row, the first, with their number: an order may have a million. Without bodies, which
-- the reader may not read: acts that differ in nothing else are repeats.
SELECT DISTINCT ON (occurred_at, status, stock_ok, form_complete)
    status, occurred_at, received_at, topic, partition, "offset", stock_ok, form_complete,
    count(*) OVER (PARTITION BY occurred_at, status, stock_ok, form_complete) AS times
FROM acts WHERE order_id = $1
ORDER BY occurred_at, status, stock_ok, form_complete, received_at, topic, partition, "offset"
LIMIT $2
