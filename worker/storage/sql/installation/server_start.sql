-- Instead of incarnation.sql, where the server does not answer that.
SELECT pg_postmaster_start_time()::text
