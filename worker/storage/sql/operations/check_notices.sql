-- Bounded: beyond the limit it makes no difference.
SELECT count(*) AS notices FROM (SELECT FROM notices LIMIT 10000) AS bounded
