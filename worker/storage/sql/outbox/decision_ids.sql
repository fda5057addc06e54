SELECT sequence, id FROM decisions WHERE lane = $1 AND sequence = ANY ($2::bigint[])
