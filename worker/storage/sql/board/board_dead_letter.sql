-- One refused record, without its bytes: they may name persons.
SELECT d.id, d.lane, d.topic, d.partition, d."offset", d."timestamp", d.received_at, d.error,
    d.message, octet_length(d.key) AS key_bytes, octet_length(d.value) AS value_bytes,
    cardinality(d.header_names) AS headers, d.published, coalesce(d.astray, false) AS astray,
    d.settled, d.settled_by, d.settled_at,
    ARRAY(SELECT order_id FROM shields WHERE dead_letter = d.id ORDER BY order_id LIMIT 20) AS orders
FROM dead_letters d WHERE d.id = $1
