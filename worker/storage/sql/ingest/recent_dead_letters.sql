-- Settled ones too: to settle a dead letter does not make the next record readable.
SELECT coalesce(array_agg("offset" ORDER BY "offset"), '{}') AS offsets
FROM dead_letters WHERE topic = $1 AND partition = $2 AND "offset" > $3 AND "offset" < $4
