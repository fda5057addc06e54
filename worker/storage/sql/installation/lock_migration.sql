-- Held until the transaction ends; whoever comes second finds all done.
SELECT pg_advisory_xact_lock($1)
