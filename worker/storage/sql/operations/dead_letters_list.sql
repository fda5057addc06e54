SELECT d.id, d.received_at, d.topic, d.partition, d."offset", d.error, d.message,
    octet_length(d.value) AS value_bytes, d.published, d.settled, d.settled_by, d.settled_at,
    ARRAY(SELECT order_id FROM shields WHERE dead_letter = d.id ORDER BY order_id) AS shields,
    count(*) OVER () AS matching
FROM dead_letters d
WHERE ($1::text IS NULL OR d.error = $1) AND ($2 OR d.settled IS NULL)
ORDER BY d.id DESC LIMIT $3
