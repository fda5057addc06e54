-- What an erasure of these orders would still find. An act of which only lines are left is erased.
SELECT
    (SELECT count(*) FROM acts WHERE order_id = ANY ($1::text[]) AND body <> '{}'
        AND body !~ '^\{"lines":\[(\{"sku":"[^"]*"(,"quantity":"[^"]*")?\},?)*\]\}$') AS acts,
    (SELECT count(*) FROM deadline_changes WHERE order_id = ANY ($1::text[])
        AND (author <> '' OR reason <> '' OR body IS NOT NULL)) AS changes
