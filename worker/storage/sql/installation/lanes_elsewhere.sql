-- The lanes that a version before this one placed in another database; no row where it placed none.
-- By its name, so that the statement goes on when a later migration drops the column.
SELECT lanes FROM (SELECT to_jsonb(i) ->> 'elsewhere' AS lanes FROM installation i) AS placed
WHERE lanes <> '{}'
