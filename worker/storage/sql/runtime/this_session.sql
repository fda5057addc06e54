-- The instant comes back as a parameter: one clock counts for all workers.
SELECT pg_backend_pid() AS pid, clock_timestamp() AS now
