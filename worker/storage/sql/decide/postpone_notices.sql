-- Until $2: their orders could not be judged, or the brake holds their corrections. Others go first.
UPDATE notices SET retry_at = $2 WHERE id = ANY ($1::bigint[])
