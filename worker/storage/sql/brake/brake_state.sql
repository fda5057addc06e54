SELECT released_until, escalate_until, tripped_at, set_by, set_at,
    (SELECT coalesce(sum(lapsed), 0)::int FROM brake_counts
        WHERE counted_at > clock_timestamp() - $1::interval) AS lapsed,
    (SELECT coalesce(sum(cancels), 0)::int FROM brake_counts
        WHERE counted_at > clock_timestamp() - $1::interval) AS cancels
FROM brake
