-- The fence, as in lock_lane.sql, of one lane or several, and the positions: one round trip instead of
-- two for every batch. Compare and set: a position that differs from the one that its lane left was
-- moved by somebody else, or by a failover that lost commits. `kept` counts those of the positions that
-- do not move. The partitions of a lane have its number.
WITH fence AS (
    SELECT lane, sequence, open_deadlines, statement_timestamp() AS read_at
    FROM lanes JOIN unnest($1::int[], $2::bigint[], $3::text[]) AS o (lane, epoch, owner)
        USING (lane, epoch, owner)
    ORDER BY lane FOR UPDATE OF lanes
), moved AS (
    UPDATE positions AS p
    SET next_offset = m.after, last_offset = coalesce(m.last_offset, p.last_offset),
        last_timestamp = coalesce(m.last_timestamp, p.last_timestamp),
        last_read_at = CASE WHEN m.last_offset IS NULL THEN p.last_read_at ELSE fence.read_at END
    FROM unnest($4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
        AS m (topic, partition, before, after, last_offset, last_timestamp)
    JOIN fence ON fence.lane = m.partition
    WHERE p.topic = m.topic AND p.partition = m.partition AND p.next_offset = m.before
    RETURNING p.partition
), kept AS (
    SELECT partition FROM positions
    JOIN unnest($10::text[], $11::int[], $12::bigint[]) AS left_at (topic, partition, next_offset)
        USING (topic, partition, next_offset)
)
SELECT lane, sequence, open_deadlines,
    (SELECT count(*) FROM moved WHERE partition = lane)::int AS moved,
    (SELECT count(*) FROM kept WHERE partition = lane)::int AS kept
FROM fence
