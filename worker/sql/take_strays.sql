DELETE FROM strays WHERE id = ANY ($1::bigint[])
