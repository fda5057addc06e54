-- Among the next $4 ids of acts after $1, those whose records hold one of two spellings of a name, or whose
-- deadline was changed by that person. Acts may have no order, so the acts are asked.
WITH page AS MATERIALIZED (
    SELECT DISTINCT order_id FROM acts WHERE order_id > $1 ORDER BY order_id LIMIT $4
)
SELECT (SELECT max(order_id) FROM page) AS last, ARRAY(
    SELECT p.order_id FROM page p
    WHERE EXISTS (SELECT FROM acts a WHERE a.order_id = p.order_id
            AND (strpos(a.body, $2) > 0 OR strpos(a.body, $3) > 0))
        OR EXISTS (SELECT FROM deadline_changes c WHERE c.order_id = p.order_id
            AND (strpos(c.author, $5) > 0 OR strpos(c.reason, $5) > 0))
    ORDER BY p.order_id) AS ids
