-- The fence. Every transaction of a lane begins here or in begin_batch.sql. An owner with an older
-- epoch gets no row; a new owner waits for the row until the last transaction has ended. A failover
-- that loses commits may give an epoch a second time, so the owner counts, too.
-- `kept` is the number of positions that are where their owner left them.
SELECT sequence, open_deadlines, clock_timestamp() AS told_at, (
    SELECT count(*) FROM positions
    JOIN unnest($4::text[], $5::int[], $6::bigint[]) AS left_at (topic, partition, next_offset)
        USING (topic, partition, next_offset)
)::int AS kept
FROM lanes WHERE lane = $1 AND epoch = $2 AND owner = $3 FOR UPDATE
