-- Taken once, before the first is replayed: one that is refused again comes back as a new one,
-- and must not be picked up by the same command.
SELECT id FROM dead_letters
WHERE settled IS NULL AND ($1::text IS NULL OR error = $1)
    AND ($2::bigint[] IS NULL OR id = ANY ($2))
ORDER BY id
