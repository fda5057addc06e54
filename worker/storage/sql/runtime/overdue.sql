-- Bounded: beyond the limit it makes no difference to whoever is paged.
SELECT count(*) AS overdue, min(fires_at) AS oldest FROM (
    SELECT fires_at FROM deadlines WHERE lane = ANY ($1::int[]) AND fires_at <= $2 LIMIT 10000
) AS late
