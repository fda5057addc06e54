-- The newest order and the newest status change that were read, in epoch milliseconds. NULL
-- while there is none, as after the first start.
SELECT max(last_timestamp) FILTER (WHERE topic = $1) AS ordered,
    max(last_timestamp) FILTER (WHERE topic = $2) AS changed
FROM positions
