-- After twice the window: a longer window still finds the counts it needs.
DELETE FROM brake_counts WHERE counted_at < statement_timestamp() - 2 * $1::interval
