-- Held until the connection closes: two sets of grants at once would fail.
SELECT pg_advisory_lock($1)
