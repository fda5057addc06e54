-- What the sweeps of the last $1 took of the limits, by minute and seller.
SELECT date_trunc('minute', counted_at) AS minute, seller_id, sum(lapsed)::int AS lapsed,
    sum(cancels)::int AS cancels
FROM brake_counts WHERE counted_at > clock_timestamp() - $1::interval
GROUP BY 1, 2 ORDER BY 1, 2
