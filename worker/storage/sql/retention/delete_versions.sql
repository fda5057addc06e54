DELETE FROM order_versions WHERE order_id = ANY ($1::text[])
