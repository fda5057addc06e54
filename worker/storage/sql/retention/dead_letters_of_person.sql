-- Among the next $4 dead letters after $1, those not erased whose bytes hold one of two spellings of a name.
WITH page AS MATERIALIZED (SELECT id FROM dead_letters WHERE id > $1 ORDER BY id LIMIT $4)
SELECT (SELECT max(id) FROM page) AS last, ARRAY(
    SELECT d.id FROM page JOIN dead_letters d USING (id)
    WHERE convert_to('erased', 'UTF8') <> ALL (d.header_values) AND (
        position(convert_to($2, 'UTF8') IN d.value) > 0
        OR position(convert_to($3, 'UTF8') IN d.value) > 0
        OR position(convert_to($2, 'UTF8') IN d.key) > 0
        OR EXISTS (SELECT FROM unnest(d.header_values) AS h
            WHERE position(convert_to($2, 'UTF8') IN h) > 0))
    ORDER BY d.id) AS ids
