-- Dead letters of changes that took no effect, made from their acts. The headers are made again, so
-- that a replay can be decoded. They shield no order: nothing in them is evidence. An act is found by
-- its place in the index acts_of_changes, and never among all acts of its order.
INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, error, message,
    key, value, header_names, header_values)
SELECT $1, a.topic, a.partition, a."offset", a.received_at, a.received_at, r.error, r.message,
    convert_to(a.order_id, 'UTF8'), convert_to(a.body, 'UTF8'),
    ARRAY[convert_to('content-type', 'UTF8'), convert_to('ce_specversion', 'UTF8'),
        convert_to('ce_type', 'UTF8')],
    ARRAY[convert_to(CASE WHEN strpos(a.body, '"specversion"') > 0 THEN 'application/cloudevents+json'
            ELSE 'application/json' END, 'UTF8'),
        convert_to('1.0', 'UTF8'), convert_to('marketplace.' || a.status || '.v1', 'UTF8')]
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[])
    AS r (topic, partition, "offset", error, message)
JOIN acts a ON a.topic = r.topic AND a.partition = r.partition AND a."offset" = r."offset"
    AND a.status IN ('order.deadline-extended', 'order.deadline-held', 'order.deadline-released')
ON CONFLICT DO NOTHING
