-- Twice the window: whoever lengthens it still finds what counts.
DELETE FROM brake_counts WHERE counted_at < clock_timestamp() - 2 * $1::interval
