DELETE FROM deadline_changes WHERE order_id = ANY ($1::text[])
