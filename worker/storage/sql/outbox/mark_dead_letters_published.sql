UPDATE dead_letters SET published = true WHERE id = ANY ($1::bigint[])
