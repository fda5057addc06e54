-- Among $2 orders: which of the sellers $1 (lower case) have any, and sellers of several spellings.
WITH looked AS MATERIALIZED (
    SELECT seller_id FROM orders WHERE seller_id IS NOT NULL LIMIT $2
), spelt AS MATERIALIZED (
    SELECT lower(btrim(seller_id)) AS seller, array_agg(DISTINCT seller_id) AS spellings
    FROM looked GROUP BY 1
)
SELECT (SELECT count(*)::int FROM looked) AS orders,
    ARRAY(SELECT seller FROM spelt WHERE seller = ANY ($1::text[])) AS seen,
    ARRAY(SELECT array_to_string(spellings[1:3], ' / ') FROM spelt
        WHERE cardinality(spellings) > 1 ORDER BY seller LIMIT 20) AS alike
