-- The fence, as in lock_lane.sql, and the positions: one round trip instead of two for every batch.
-- Compare and set: a position that differs from the one this lane left was moved by somebody else,
-- or by a failover that lost commits. `kept` counts those of the positions that do not move.
WITH fence AS (
    SELECT sequence, open_deadlines, statement_timestamp() AS read_at FROM lanes
    WHERE lane = $1 AND epoch = $2 AND owner = $3 FOR UPDATE
), moved AS (
    UPDATE positions AS p
    SET next_offset = m.after, last_offset = coalesce(m.last_offset, p.last_offset),
        last_timestamp = coalesce(m.last_timestamp, p.last_timestamp),
        last_read_at = CASE WHEN m.last_offset IS NULL THEN p.last_read_at ELSE fence.read_at END
    FROM unnest($4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
        AS m (topic, partition, before, after, last_offset, last_timestamp)
    CROSS JOIN fence
    WHERE p.topic = m.topic AND p.partition = m.partition AND p.next_offset = m.before
    RETURNING 1
)
SELECT sequence, open_deadlines, (SELECT count(*) FROM moved)::int AS moved, (
    SELECT count(*) FROM positions
    JOIN unnest($10::text[], $11::int[], $12::bigint[]) AS left_at (topic, partition, next_offset)
        USING (topic, partition, next_offset)
)::int AS kept
FROM fence
