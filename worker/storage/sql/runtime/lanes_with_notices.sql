SELECT DISTINCT lane FROM notices
WHERE lane = ANY ($1::int[]) AND (retry_at IS NULL OR retry_at <= clock_timestamp())
