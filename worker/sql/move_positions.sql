-- Compare and set: a row that is not where this lane left it means somebody else moved it.
UPDATE positions AS p SET next_offset = m.after
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS m (topic, partition, before, after)
WHERE p.topic = m.topic AND p.partition = m.partition AND p.next_offset = m.before
