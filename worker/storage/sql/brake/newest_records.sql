-- Timestamps of the newest order and the newest status change that were read, in milliseconds since
-- the epoch. NULL where none was read, as after the first start.
SELECT max(last_timestamp) FILTER (WHERE topic = $1) AS ordered,
    max(last_timestamp) FILTER (WHERE topic = $2) AS changed
FROM positions
