-- A partition has at most $9 words by name. A publisher that writes a new one each time fills no
-- table: the rest is counted in one row, whose status is empty.
WITH told AS (
    SELECT *, row_number() OVER (PARTITION BY topic, partition ORDER BY first_offset, status) AS number
    FROM unnest($1::text[], $2::int[], $3::text[], $4::bigint[], $5::timestamptz[], $6::bigint[],
            $7::timestamptz[], $8::bigint[])
        AS t (topic, partition, status, first_offset, first_at, last_offset, last_at, records)
), named AS (
    SELECT topic, partition, CASE WHEN number + (
            SELECT count(*) FROM unknown_statuses u
            WHERE u.topic = t.topic AND u.partition = t.partition
        ) <= $9 OR EXISTS (
            SELECT FROM unknown_statuses u WHERE u.topic = t.topic AND u.partition = t.partition
                AND u.status = t.status
        ) THEN status ELSE '' END AS status, first_offset, first_at, last_offset, last_at, records
    FROM told t
)
INSERT INTO unknown_statuses AS u
    (topic, partition, status, first_offset, first_at, last_offset, last_at, records)
SELECT topic, partition, status, min(first_offset),
    (array_agg(first_at ORDER BY first_offset))[1], max(last_offset),
    (array_agg(last_at ORDER BY last_offset DESC))[1], sum(records)
FROM named GROUP BY topic, partition, status
ON CONFLICT (topic, partition, status) DO UPDATE
SET last_offset = EXCLUDED.last_offset, last_at = EXCLUDED.last_at,
    records = u.records + EXCLUDED.records
