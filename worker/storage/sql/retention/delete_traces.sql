DELETE FROM traces WHERE order_id = ANY ($1::text[])
