-- With the record itself, which a copy brings along.
SELECT c.order_id, c.kind, c.occurred_at, c.received_at, c.due, c.author, c.reason, c.topic,
    c.partition, c."offset", coalesce(c.body, a.body) AS body
FROM deadline_changes c
LEFT JOIN acts a ON a.order_id = c.order_id AND a.topic = c.topic AND a.partition = c.partition
    AND a."offset" = c."offset"
WHERE c.order_id = ANY ($1::text::text[])
