-- Bounded: beyond the limit the number makes no difference.
SELECT count(*) AS notices FROM (SELECT FROM notices LIMIT 10000) AS bounded
