-- Settled ones too: that somebody saw to them does not make the next ones readable.
SELECT coalesce(array_agg("offset" ORDER BY "offset"), '{}') AS offsets
FROM dead_letters WHERE topic = $1 AND partition = $2 AND "offset" > $3 AND "offset" < $4
