-- Deadlines before $2 by their hour: their number, by the index alone. Those before now, $1, stand apart.
-- A deadline of a decided order, which is only checked again, is among them.
SELECT date_trunc('hour', greatest(d.fires_at, $1)) AS hour, d.fires_at < $1 AS overdue,
    count(*)::int AS lapsing
FROM lanes l JOIN deadlines d ON d.lane = l.lane AND d.fires_at < $2
GROUP BY 1, 2 ORDER BY 1, 2 DESC
