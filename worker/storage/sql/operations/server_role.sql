-- A standby, or sessions that may only read; and whether a standby follows a primary that does not
-- wait for it. Slots are what every role may see: pg_stat_replication hides the rest.
SELECT
    current_setting('transaction_read_only') = 'on' AS read_only,
    current_setting('synchronous_standby_names') = '' AND EXISTS (
        SELECT FROM pg_replication_slots WHERE slot_type = 'physical' AND active
    ) AS asynchronous
