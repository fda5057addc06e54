DELETE FROM decisions WHERE order_id = ANY ($1::text[])
