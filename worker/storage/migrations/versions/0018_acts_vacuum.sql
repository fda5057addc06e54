-- Postgres notes at the first reading of a row that its transaction committed. With checksums, which
-- are the default, it then writes the whole page to the WAL once more, unless it did so since the last
-- checkpoint. Acts are read a day later, so that this was a sixth of all WAL. A vacuum soon after their
-- entry notes the same while the page is in the WAL anyway. By default it comes only after a fifth
-- of the table; acts never change, so that it looks at the new pages alone.
ALTER TABLE acts SET (
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000
)
