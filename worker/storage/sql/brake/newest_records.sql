-- Times of the newest order and the newest status change that were read, in milliseconds since the
-- epoch. NULL where none was read, as after the first start. A publisher may write any timestamp: a
-- record is at least as old as our reading of it.
SELECT max(newest) FILTER (WHERE topic = $1) AS ordered,
    max(newest) FILTER (WHERE topic = $2) AS changed
FROM (
    SELECT topic, least(last_timestamp, (extract(epoch FROM last_read_at) * 1000)::bigint) AS newest
    FROM positions WHERE last_timestamp IS NOT NULL
) AS marks
