-- The latest $2 dead letters that nobody has settled, of class $1 if it is given.
SELECT d.id, d.received_at, d.topic, d.partition, d."offset", d.error, d.message, d.published,
    ARRAY(SELECT order_id FROM shields WHERE dead_letter = d.id ORDER BY order_id LIMIT 3) AS orders
FROM dead_letters d
WHERE d.settled IS NULL AND ($1::text IS NULL OR d.error = $1)
ORDER BY d.id DESC LIMIT $2
