-- A worker that froze while it sent rows holds its lane's lock, and no timeout of the server ends a
-- session that waits in the middle of a message. So the lane's next owner ends it. A batch takes
-- milliseconds to send: ten seconds are more than a slow network. A session of another cell has locked the
-- lanes of another schema, and is not ours to end.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'plazo' AND usename = current_user AND datname = current_database()
    AND pid <> pg_backend_pid()
    AND state = 'active' AND wait_event = 'ClientRead'
    AND state_change < clock_timestamp() - interval '10 seconds'
    AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'lanes'::regclass)
