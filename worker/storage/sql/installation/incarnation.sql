-- What changes when the server restarts, when a standby is promoted, and when the server recovers
-- from the crash of one of its processes: recovery resets the statistics. Every role may read it.
SELECT concat_ws(
    '/', pg_postmaster_start_time(),
    CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
    (SELECT stats_reset FROM pg_stat_bgwriter)
)
