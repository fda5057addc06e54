DELETE FROM notices WHERE id = ANY ($1::bigint[])
