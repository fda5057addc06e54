-- $4: the record has been read again, or a person says that it does not matter, as in
-- delete_shields.sql. Otherwise it counts as astray until clear_astray.sql.
UPDATE dead_letters SET settled = $2, settled_by = $3, settled_at = statement_timestamp(),
    astray = CASE WHEN $4 THEN NULL ELSE astray END
WHERE id = ANY ($1::bigint[]) AND settled IS NULL
