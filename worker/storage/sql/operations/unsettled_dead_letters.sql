-- Read once, before the first replay: a record that is refused again becomes a new dead letter, which
-- the same command must not replay.
SELECT id FROM dead_letters
WHERE settled IS NULL AND ($1::text IS NULL OR error = $1)
    AND ($2::bigint[] IS NULL OR id = ANY ($2))
ORDER BY id
