-- Deadlines of all lanes in each of the $2 hours from $1 on, at most $3 of each lane and hour.
SELECT hour, sum(deadlines)::int AS deadlines, bool_or(deadlines = $3) AS more
FROM generate_series(0, $2::int - 1) AS hour
CROSS JOIN lanes l
CROSS JOIN LATERAL (
    SELECT count(*) AS deadlines FROM (
        SELECT FROM deadlines d
        WHERE d.lane = l.lane AND d.fires_at >= $1::timestamptz + hour * interval '1 hour'
            AND d.fires_at < $1::timestamptz + (hour + 1) * interval '1 hour'
        LIMIT $3
    ) AS few
) AS counted
GROUP BY hour ORDER BY hour
