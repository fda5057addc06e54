-- Every role may see the numbers of all sessions.
SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1::int[])
