-- No row if the lane lives in another database. The lock makes a worker that sends lanes elsewhere
-- and one that takes them here wait for each other: the second finds what the first did.
WITH placed AS MATERIALIZED (
    SELECT elsewhere FROM installation FOR SHARE
)
INSERT INTO lanes AS l (lane, epoch, owner, taken_at)
SELECT $1, 1, $2, now() WHERE NOT EXISTS (SELECT FROM placed WHERE elsewhere @> $1::int)
ON CONFLICT (lane) DO UPDATE SET epoch = l.epoch + 1, owner = $2, taken_at = now()
RETURNING epoch, sequence, open_deadlines,
    coalesce((SELECT p.sequence FROM published p WHERE p.lane = l.lane), 0) AS published
