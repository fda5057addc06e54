-- One call for all orders with the same verdict: an array of each column would cost the driver as
-- much as the rows cost the server.
UPDATE orders SET finding = $2, outcome = $3, decisions = $4, decided_at = $5
WHERE order_id = ANY ($1::text::text[])
