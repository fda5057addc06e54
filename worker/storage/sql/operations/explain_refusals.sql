-- Dead letters that shield the order; and those settled since, which only their key identifies.
SELECT d.id, d.topic, d.partition, d."offset", d.received_at, d.error, d.message, d.settled,
    d.settled_by, d.settled_at, s.order_id IS NOT NULL AS shields
FROM dead_letters d
LEFT JOIN shields s ON s.dead_letter = d.id AND s.order_id = $1
WHERE d.key = convert_to($1, 'UTF8')
    OR d.id IN (SELECT dead_letter FROM shields WHERE order_id = $1)
ORDER BY d.id LIMIT $2
