-- Dead letters of changes that took no effect, from their acts, or from the copy of one that stands
-- in another database; the headers are made anew, so that a replay can be read. They shield nobody:
-- nothing in them is evidence.
INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, error, message,
    key, value, header_names, header_values)
SELECT $1, c.topic, c.partition, c."offset", c.received_at, c.received_at, c.error, c.message,
    convert_to(c.order_id, 'UTF8'), convert_to(c.body, 'UTF8'),
    ARRAY[convert_to('content-type', 'UTF8'), convert_to('ce_specversion', 'UTF8'),
        convert_to('ce_type', 'UTF8')],
    ARRAY[convert_to(CASE WHEN strpos(c.body, '"specversion"') > 0 THEN 'application/cloudevents+json'
            ELSE 'application/json' END, 'UTF8'),
        convert_to('1.0', 'UTF8'), convert_to('marketplace.' || c.kind || '.v1', 'UTF8')]
FROM (
    SELECT r.*, d.kind, d.received_at, coalesce(d.body, a.body) AS body
    FROM unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::text[], $7::text[])
        AS r (order_id, topic, partition, "offset", error, message)
    JOIN deadline_changes d ON d.order_id = r.order_id AND d.topic = r.topic
        AND d.partition = r.partition AND d."offset" = r."offset"
    LEFT JOIN acts a ON a.order_id = r.order_id AND a.topic = r.topic
        AND a.partition = r.partition AND a."offset" = r."offset"
) AS c
WHERE c.body IS NOT NULL
ON CONFLICT DO NOTHING
