-- Without repeats, which change nothing: an order with a million of them stays small.
SELECT DISTINCT ON (order_id, status, occurred_at, stock_ok, form_complete)
    order_id, status, occurred_at, received_at, topic, partition, "offset", stock_ok, form_complete
FROM acts WHERE order_id = ANY ($1::text::text[]) AND status = ANY ($2::text[])
ORDER BY order_id, status, occurred_at, stock_ok, form_complete, received_at, topic, partition,
    "offset"
