SELECT l.lane, l.owner, l.taken_at, l.epoch, l.sequence, coalesce(p.sequence, 0) AS published,
    l.open_deadlines, (SELECT min(d.fires_at) FROM deadlines d WHERE d.lane = l.lane) AS next_verdict
FROM lanes l LEFT JOIN published p ON p.lane = l.lane ORDER BY l.lane
