DELETE FROM acts WHERE order_id = ANY ($1::text[])
