-- Refused acts of these lanes that name no known order. Bounded, as in count_overdue.sql.
SELECT count(*)::int AS refusals, count(DISTINCT lane)::int AS lanes FROM (
    SELECT lane FROM dead_letters WHERE astray AND lane = ANY ($1::int[]) LIMIT 10000
) AS astray
