-- What each of these lanes has committed and not published. The age comes from one row of the
-- primary key, however long the backlog is.
SELECT l.lane, greatest(l.sequence - coalesce(p.sequence, 0), 0) AS pending,
    (SELECT d.decided_at FROM decisions d
     WHERE d.lane = l.lane AND d.sequence > coalesce(p.sequence, 0)
     ORDER BY d.sequence LIMIT 1) AS oldest
FROM lanes l LEFT JOIN published p ON p.lane = l.lane WHERE l.lane = ANY ($1::int[])
