-- Compare and set: a row that is not where this lane left it means somebody else moved it.
UPDATE positions AS p
SET next_offset = m.after, last_offset = coalesce(m.last_offset, p.last_offset),
    last_timestamp = coalesce(m.last_timestamp, p.last_timestamp)
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS m (topic, partition, before, after, last_offset, last_timestamp)
WHERE p.topic = m.topic AND p.partition = m.partition AND p.next_offset = m.before
