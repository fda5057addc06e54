-- Orders that entered in [$1, $2), by the hour of their deadline and by outcome; NULL for those that are
-- not decided yet. By the index of blocks on the time of entry.
SELECT date_trunc('hour', due) AS hour, outcome, count(*)::int AS orders
FROM orders
WHERE entered_at >= $1 AND entered_at < $2 AND lane IS NOT NULL AND due IS NOT NULL
GROUP BY hour, outcome
