UPDATE deadline_changes SET author = '', reason = '', body = NULL
WHERE order_id = ANY ($1::text[]) AND (author <> '' OR reason <> '' OR body IS NOT NULL)
