-- Each lane with the time of its oldest unpublished decision. Sequences are dense, so that decision
-- follows the last published one.
SELECT l.lane, l.owner, l.taken_at, l.sequence, coalesce(p.sequence, 0) AS published,
    l.open_deadlines, d.decided_at AS unpublished_since
FROM lanes l
LEFT JOIN published p ON p.lane = l.lane
LEFT JOIN decisions d ON d.lane = l.lane AND d.sequence = coalesce(p.sequence, 0) + 1
ORDER BY l.lane
