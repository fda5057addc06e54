-- Among the next $3 orders after $1, those of a seller, by any of their order-created records.
WITH page AS MATERIALIZED (
    SELECT order_id, seller_id FROM orders WHERE order_id > $1 ORDER BY order_id LIMIT $3
)
SELECT (SELECT max(order_id) FROM page) AS last, ARRAY(
    SELECT p.order_id FROM page p WHERE p.seller_id = $2 OR EXISTS (
        SELECT FROM order_versions v WHERE v.order_id = p.order_id AND v.seller_id = $2)
    ORDER BY p.order_id) AS ids
