-- By how many seconds the newest order that was read is younger than the newest status change. NULL
-- while either has none, as after the first start.
SELECT (max(last_timestamp) FILTER (WHERE topic = $1)
    - max(last_timestamp) FILTER (WHERE topic = $2)) / 1000.0 AS seconds
FROM positions
