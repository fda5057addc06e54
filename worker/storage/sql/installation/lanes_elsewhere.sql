-- The lanes that an earlier version placed in another database; no row where it placed none. The
-- column is read through JSON, so that the statement works after a later migration drops it.
SELECT lanes FROM (SELECT to_jsonb(i) ->> 'elsewhere' AS lanes FROM installation i) AS placed
WHERE lanes <> '{}'
