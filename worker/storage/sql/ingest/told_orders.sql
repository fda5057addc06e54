-- Orders as their rows tell them, to compare with another order-created of the same order.
SELECT order_id, seller_id, fulfilment, entered_at, labels, told_due, total, currency
FROM orders
WHERE order_id = ANY ($1::text[]) AND lane IS NOT NULL
