WITH acquired AS (
    INSERT INTO lanes AS l (lane, epoch, owner, taken_at) VALUES ($1, 1, $2, statement_timestamp())
    ON CONFLICT (lane) DO UPDATE
    SET epoch = l.epoch + 1, owner = EXCLUDED.owner, taken_at = EXCLUDED.taken_at
    RETURNING lane, epoch, sequence, open_deadlines
)
SELECT epoch, a.sequence, open_deadlines, coalesce(p.sequence, 0) AS published
FROM acquired a LEFT JOIN published p ON p.lane = a.lane
