-- Over all partitions, the most frequent first.
SELECT status, topic, sum(records)::bigint AS records,
    (array_agg(format('%s/%s', partition, first_offset) ORDER BY first_at, partition))[1]
        AS first_place, min(first_at) AS first_at,
    (array_agg(format('%s/%s', partition, last_offset) ORDER BY last_at DESC, partition))[1]
        AS last_place, max(last_at) AS last_at,
    count(*) OVER () AS matching
FROM unknown_statuses GROUP BY status, topic ORDER BY records DESC, status, topic LIMIT $1
