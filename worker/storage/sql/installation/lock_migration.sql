-- Held until the transaction ends; whoever comes second finds all done. The locks of a database serve
-- all its schemas. Each has a key of its own, so that no cell waits for another. `public` keeps the key of
-- earlier versions, which may migrate at the same time.
SELECT pg_advisory_xact_lock(
    CASE cell WHEN 'public' THEN $1 ELSE $1 # hashtextextended(cell, 0) END
) FROM coalesce($2::text, current_schema(), 'public') AS cell
