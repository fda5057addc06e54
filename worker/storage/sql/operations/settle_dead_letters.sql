UPDATE dead_letters SET settled = $2, settled_by = $3, settled_at = clock_timestamp()
WHERE id = ANY ($1::bigint[]) AND settled IS NULL
