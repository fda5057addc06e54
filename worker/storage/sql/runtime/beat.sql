-- No row comes back if the name belongs to another process. $8 and $9 are the process that is gone
-- and its last beat: whoever compares them first has its name.
-- A successor keeps the member of its predecessor until it is one itself: the others may remove it.
INSERT INTO workers AS w (name, owner, member_id, absence, incarnation, pid, beat_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name) DO UPDATE SET owner = $2, member_id = coalesce($3, w.member_id),
    absence = $4, incarnation = $5, pid = $6, beat_at = $7,
    removed_at = CASE WHEN w.owner = $2 THEN w.removed_at END
WHERE w.owner = $2 OR (w.owner = $8 AND w.beat_at = $9)
RETURNING removed_at
