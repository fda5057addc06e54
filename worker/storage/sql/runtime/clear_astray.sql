-- Refused acts of these lanes that are not astray any more. Either the order that they name has entered
-- meanwhile, and is shielded. Or they were settled before any worker had read their replay: until all
-- deadlines of that time are decided, a verdict could rest on an older proof.
UPDATE dead_letters SET astray = NULL WHERE id IN (
    SELECT id FROM (
        SELECT id, lane, settled_at FROM dead_letters
        WHERE astray AND lane = ANY ($1::int[]) LIMIT 10000
    ) AS d
    WHERE EXISTS (
        SELECT FROM shields s JOIN orders o USING (order_id)
        WHERE s.dead_letter = d.id AND o.lane IS NOT NULL
    ) OR (settled_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM deadlines due WHERE due.lane = d.lane AND due.fires_at <= d.settled_at
    ))
)
