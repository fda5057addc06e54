-- Bounded: beyond the limit it makes no difference. What is to be handed over counts as well.
SELECT count(*) AS notices FROM (
    (SELECT FROM notices LIMIT 10000) UNION ALL (SELECT FROM strays LIMIT 10000)
) AS bounded
