SELECT released_until, escalate_until, tripped_at, set_by, set_at,
    (SELECT coalesce(sum(lapsed), 0)::int FROM brake_counts
        WHERE counted_at > clock_timestamp() - $1::interval AND lane >= 0) AS lapsed,
    (SELECT coalesce(sum(cancels), 0)::int FROM brake_counts
        WHERE counted_at > clock_timestamp() - $1::interval AND lane >= 0) AS cancels
FROM brake
