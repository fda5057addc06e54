-- Repeats are one row, the first, with their number: an order may have a million.
SELECT DISTINCT ON (occurred_at, status, stock_ok, form_complete, body)
    status, occurred_at, received_at, topic, partition, "offset", stock_ok, form_complete, body,
    count(*) OVER (PARTITION BY occurred_at, status, stock_ok, form_complete, body) AS times
FROM acts WHERE order_id = $1
ORDER BY occurred_at, status, stock_ok, form_complete, body, received_at, topic, partition, "offset"
LIMIT $2
