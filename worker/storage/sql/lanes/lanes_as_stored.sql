-- What the memory of their owner must equal, without a lock. A row for each position.
SELECT l.lane, l.epoch, l.owner, l.sequence, p.topic, p.partition, p.next_offset
FROM lanes l LEFT JOIN positions p ON p.partition = l.lane
WHERE l.lane = ANY ($1::int[])
