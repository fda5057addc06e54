-- Each lane, and since when its oldest unpublished decision waits: sequences are dense, so it is
-- the one behind the last published.
SELECT l.lane, l.owner, l.taken_at, l.sequence, coalesce(p.sequence, 0) AS published,
    l.open_deadlines, d.decided_at AS unpublished_since
FROM lanes l
LEFT JOIN published p ON p.lane = l.lane
LEFT JOIN decisions d ON d.lane = l.lane AND d.sequence = coalesce(p.sequence, 0) + 1
ORDER BY l.lane
