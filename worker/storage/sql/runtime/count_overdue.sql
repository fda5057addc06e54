-- Bounded: beyond the limit the number makes no difference to an operator.
SELECT count(*) AS overdue, min(fires_at) AS oldest FROM (
    SELECT fires_at FROM deadlines WHERE lane = ANY ($1::int[]) AND fires_at <= $2 LIMIT 10000
) AS late
