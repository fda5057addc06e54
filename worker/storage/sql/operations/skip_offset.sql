-- Without a timestamp the record could not be read, and the mark of an earlier one stays.
UPDATE positions SET next_offset = $3::bigint + 1,
    last_offset = CASE WHEN $4::bigint IS NULL THEN last_offset ELSE $3 END,
    last_timestamp = coalesce($4, last_timestamp)
WHERE topic = $1 AND partition = $2
