-- One call for all orders with the same verdict: an array of each column would cost the driver as
-- much as the rows cost the server. Without a verdict an order is open again.
UPDATE orders SET finding = $2, outcome = $3, decisions = $4,
    decided_at = CASE WHEN $2::text IS NULL THEN NULL ELSE $5::timestamptz END
WHERE order_id = ANY ($1::text::text[])
