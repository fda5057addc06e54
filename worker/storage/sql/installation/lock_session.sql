-- As lock_migration.sql, but held until the connection closes: two sets of grants at once would fail.
SELECT pg_advisory_lock(
    CASE cell WHEN 'public' THEN $1 ELSE $1 # hashtextextended(cell, 0) END
) FROM coalesce($2::text, current_schema(), 'public') AS cell
