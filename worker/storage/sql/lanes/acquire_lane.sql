INSERT INTO lanes AS l (lane, epoch, owner, taken_at) VALUES ($1, 1, $2, statement_timestamp())
ON CONFLICT (lane) DO UPDATE
SET epoch = l.epoch + 1, owner = EXCLUDED.owner, taken_at = EXCLUDED.taken_at
RETURNING epoch, sequence, open_deadlines,
    coalesce((SELECT p.sequence FROM published p WHERE p.lane = l.lane), 0) AS published
