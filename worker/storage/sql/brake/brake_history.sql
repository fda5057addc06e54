-- What the sweeps of the last $1 took of the limits, by minute and seller. The rows of all sellers
-- have an empty one, and `in_total` are those that the limits over all sellers count.
SELECT date_trunc('minute', counted_at) AS minute, seller_id, lane >= 0 AS in_total,
    sum(lapsed)::int AS lapsed, sum(cancels)::int AS cancels
FROM brake_counts WHERE counted_at > clock_timestamp() - $1::interval
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
