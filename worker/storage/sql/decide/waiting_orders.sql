-- The orders among these whose clock has not started.
SELECT order_id, seller_id, fulfilment, total, currency, labels, told_due, entered_at, due FROM orders
WHERE order_id = ANY ($1::text[]) AND lane IS NOT NULL AND due IS NULL
