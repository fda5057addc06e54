-- Among the next $3 dead letters after $1, those of these orders ($2) that are not erased: they shield one,
-- have it as their key, or name it in their value. `last` is NULL behind the end.
WITH page AS MATERIALIZED (SELECT id FROM dead_letters WHERE id > $1 ORDER BY id LIMIT $3)
SELECT (SELECT max(id) FROM page) AS last, ARRAY(
    SELECT d.id FROM page JOIN dead_letters d USING (id)
    WHERE convert_to('erased', 'UTF8') <> ALL (d.header_values) AND (
        EXISTS (SELECT FROM shields s WHERE s.dead_letter = d.id AND s.order_id = ANY ($2::text[]))
        OR EXISTS (SELECT FROM unnest($2::text[]) AS o
            WHERE d.key = convert_to(o, 'UTF8') OR position(convert_to(o, 'UTF8') IN d.value) > 0))
    ORDER BY d.id) AS ids
